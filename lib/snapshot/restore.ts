import { mkdir, readdir, rename } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Digest } from '../digest.js';
import { messageOf, RbmResumeError, systemErrorCode } from '../errors.js';
import { extractLayers, type LayerSource } from '../layer/extract.js';
import { describeDifference, findDifference, type LayeredTree, type TreeDifference } from '../layer/merge.js';
import { treeDigest } from '../layer/tree-digest.js';
import { writeListing, type ListingSummary } from '../rootfs/baseline.js';
import { shownPath, sizeOf } from '../rootfs/entry.js';
import { removeTree } from '../rootfs/move-tree.js';
import { openScan } from '../rootfs/scan.js';
import { readXattrs } from '../rootfs/xattrs.js';
import { hasBlob } from '../store/blobs.js';
import { makeHeldFolder, type HeldFolder } from '../store/held-folder.js';
import { withRoom, type Need } from '../store/room.js';
import { traceTo } from '../trace.js';
import type { Trust } from '../trust/judge.js';
import { requireTrusted, signedTreeDigest } from './judge-snapshot.js';
import { openLayers, type OpenLayer } from './open-layers.js';
import { openStore } from './open-store.js';
import { tellingReplacement } from './replaced.js';
import type { SnapshotProgress } from './progress.js';
import type { Snapshot } from './snapshot.js';
import { LayerCheck } from './verify-layer.js';
import { namingIoFailures } from '../system-error.js';

const trace = traceTo('snapshot');

export interface RestoreOptions {
  /** The base tarball, for snapshots that were saved without it: used where the store has none. */
  readonly base?: string | null;
  /** Where the listing of the restored tree goes: the baseline of the next snapshot. @default nowhere */
  readonly listingTo?: string;
  /** What `Snapshot.tree` gave, where the caller has it already. */
  readonly tree?: LayeredTree;
  /** The digest of the tree that somebody has signed. @default none */
  readonly treeDigest?: Digest | null;
  readonly onProgress?: (progress: SnapshotProgress) => void;
}

export interface RestoredSnapshot {
  readonly snapshot: Snapshot;
  readonly entries: number;
  readonly listing: ListingSummary;
}

/**
 * Restores a snapshot of a store to `dir`, which must be empty or not exist, all or nothing: the layers are extracted beside
 * `dir` while they are checked against their digests, the result is compared with their listings, and only then takes
 * the name. The files belong to ids of the caller's id map. The snapshot stays as it is.
 * @param name as for `SnapshotStore.open`
 * @throws RbmResumeError `NO_SUCH_SNAPSHOT`, `DIRECTORY_NOT_EMPTY`, `NO_ROOM`, `BASE_NEEDED`, `MISSING_BLOB`, `DAMAGED_BLOB`,
 *   `DAMAGED_SNAPSHOT`, `NOT_TRUSTED`, `BAD_LAYER`, `LAYER_TOO_BIG`, `INEXACT_RESTORE`, `COMMAND_FAILED`
 */
export function restoreSnapshot(
  store: string,
  name: string,
  to: RestoreOptions & {
    readonly dir: string;
    /** By what it is judged before anything is restored. @default nothing is judged */
    readonly trust?: Trust;
  },
): Promise<RestoredSnapshot> {
  return namingIoFailures(`restoring ${name} to ${to.dir}`, async () => {
    const snapshot = await openStore(store).open(name);
    return to.trust === undefined
      ? restoreTree(snapshot, to)
      : restoreTrusted(snapshot, { ...to, trust: to.trust });
  });
}

/**
 * {@link restoreTree} of what a job may use; it is judged before anything is restored, and the tree must be the one that was
 * signed.
 * @throws RbmResumeError also `NOT_TRUSTED`
 */
export async function restoreTrusted(
  snapshot: Snapshot,
  to: RestoreOptions & { readonly dir: string; readonly trust: Trust },
): Promise<RestoredSnapshot> {
  const judgement = await requireTrusted(snapshot, to.trust);
  return restoreTree(snapshot, { ...to, treeDigest: signedTreeDigest(judgement) });
}

/** {@link restoreSnapshot} of a snapshot that is open already. */
export function restoreTree(
  snapshot: Snapshot,
  to: RestoreOptions & { readonly dir: string },
): Promise<RestoredSnapshot> {
  return namingIoFailures(`restoring ${snapshot.hash} to ${to.dir}`, () =>
    tellingReplacement(snapshot.paths, snapshot.entry, () => restoreLayers(snapshot, to)),
  );
}

async function restoreLayers(
  snapshot: Snapshot,
  to: RestoreOptions & { readonly dir: string },
): Promise<RestoredSnapshot> {
  await refuseFullDirectory(to.dir);
  await mkdir(dirname(to.dir), { recursive: true });
  const sources = await openLayers(snapshot, to.base ?? null);
  const held: HeldFolder[] = [];
  const hold = async (stem: string): Promise<string> => {
    const folder = await makeHeldFolder(stem);
    held.push(folder);
    return folder.path;
  };
  try {
    const tree = to.tree ?? (await snapshot.tree());
    refuseOtherTree(snapshot, tree, to.treeDigest ?? null);
    refuseForeignAttributes(snapshot, tree);
    const place = { dir: dirname(to.dir), what: 'the snapshot' };
    return await withRoom(place, needOf(tree, sources), async () => {
      const scratch = await hold(SCRATCH_STEM);
      const partial = await hold(partialStem(to.dir));
      const onBytes = await progressOf(sources, to.onProgress);
      const extracted = extractLayers(sources, partial, { tree, scratch, onBytes });
      await bothOf(verifyAll(sources), extracted).catch((error: unknown) => blame(snapshot, error));
      to.onProgress?.({ what: 'checking', bytes: 0, entries: tree.size, totalBytes: null });
      const file = to.listingTo ?? join(scratch, 'listing');
      const [listing, xattrs] = await Promise.all([writeListing(partial, file), readXattrs(partial)]);
      const difference = await findDifference(tree, await openScan(file, xattrs));
      if (difference !== null) throw inexact(snapshot, difference);
      await rename(partial, to.dir);
      return { snapshot, entries: tree.size, listing };
    });
  } finally {
    await Promise.all(sources.map(({ handle }) => handle.close()));
    for (const folder of held) {
      // What has been restored has another name by now.
      await removeTree(folder.path).catch((error: unknown) =>
        trace('cannot remove %s: %s', folder.path, messageOf(error)),
      );
      await folder.release();
    }
  }
}

/** Small files of a restore lie in a folder of this name and 16 hex digits. */
export const SCRATCH_STEM = join(tmpdir(), 'rbm-resume-restoring-');

/** A tree that is being restored has this name and 16 hex digits until it is whole. */
export const partialStem = (dir: string): string => `${dir}.restoring-`;

/** The bytes of a damaged layer reach nothing but the sandbox and a directory that is removed again. */
const verifyAll = (layers: readonly OpenLayer[]): Promise<unknown> =>
  Promise.all(layers.map(({ verify }) => verify()));

/** Programs fail for want of what a machine lacks, and for what is wrong with the layers: reading these through tells. */
async function blame(snapshot: Snapshot, error: unknown): Promise<never> {
  if (error instanceof RbmResumeError && error.code === 'COMMAND_FAILED') {
    const check = new LayerCheck(snapshot.paths, { readData: true, totalBytes: 0 });
    for (const layer of snapshot.layers)
      if (await hasBlob(snapshot.paths, layer.descriptor)) await check.checkLayer(layer);
  }
  throw error;
}

/** Waits for both; when both fail, the first one knows why. */
async function bothOf(...work: readonly [Promise<unknown>, Promise<unknown>]): Promise<void> {
  for (const result of await Promise.allSettled(work)) {
    if (result.status === 'rejected') throw result.reason;
  }
}

/** Says that the extraction begins; what it gives tells how far it has come. */
async function progressOf(
  sources: readonly LayerSource[],
  onProgress: RestoreOptions['onProgress'],
): Promise<((bytes: number) => void) | undefined> {
  if (onProgress === undefined) return undefined;
  const stats = await Promise.all(sources.map(({ handle }) => handle.stat()));
  const totalBytes = stats.reduce((sum, { size }) => sum + size, 0);
  const tell = (bytes: number) => onProgress({ what: 'restoring', bytes, entries: 0, totalBytes });
  tell(0);
  return tell;
}

async function refuseFullDirectory(dir: string): Promise<void> {
  try {
    if ((await readdir(dir)).length === 0) return;
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return;
    if (systemErrorCode(error) !== 'ENOTDIR') throw error;
  }
  throw new RbmResumeError('DIRECTORY_NOT_EMPTY', `${dir} is not an empty directory`, {
    hint: 'Name a directory that does not exist yet.',
  });
}

/** Sparse files take less than their size: what the archives have is enough for them. */
function needOf(tree: LayeredTree, sources: readonly LayerSource[]): Need {
  let [size, inodes] = [0, 0];
  for (const entry of tree.values()) {
    if (entry.link !== '' && entry.link !== entry.path) continue;
    size += sizeOf(entry);
    inodes += 1;
  }
  const copied = sources.flatMap(({ copies }) => copies?.members ?? []);
  const archived =
    sources.reduce((sum, { diffSize }) => sum + diffSize, 0) +
    copied.reduce((sum, member) => sum + sizeOf(member), 0);
  // What is full in the middle has met what only writing tells: blocks that are half empty, folders, attributes.
  const bytes = Math.min(size, archived);
  return { bytes, inodes, atMost: bytes + 4096 * inodes };
}

/** What was signed is the tree, however the layers below its manifest make it. */
function refuseOtherTree(snapshot: Snapshot, tree: LayeredTree, signed: Digest | null): void {
  if (signed === null) return;
  const found = treeDigest(tree);
  if (found === signed) return;
  const { hash, generation } = snapshot;
  throw new RbmResumeError(
    'INEXACT_RESTORE',
    `the snapshot ${hash}@${generation} has the tree ${found}, and ${signed} was signed`,
    { hint: 'Nothing was restored.', fields: { hash, generation, found, signed } },
  );
}

/** GNU tar and a user namespace set no others. */
const RESTORED_ATTRIBUTE = /^(?:user\.|security\.capability=|system\.posix_acl_)/;

function refuseForeignAttributes({ hash, generation }: Snapshot, tree: LayeredTree): void {
  for (const { path, xattrs } of tree.values()) {
    const foreign = xattrs.split(' ').find((one) => one !== '' && !RESTORED_ATTRIBUTE.test(one));
    if (foreign === undefined) continue;
    const [name = ''] = foreign.split('=');
    const what = `${shownPath(path)} has the attribute ${shownPath(name)}, which can't be restored`;
    throw new RbmResumeError('INEXACT_RESTORE', `the snapshot ${hash}@${generation} is not used: ${what}`, {
      hint: 'Nothing was restored.',
      fields: { hash, generation, path: shownPath(path), attribute: shownPath(name) },
    });
  }
}

function inexact(snapshot: Snapshot, difference: TreeDifference): RbmResumeError {
  const { hash, generation } = snapshot;
  return new RbmResumeError(
    'INEXACT_RESTORE',
    `the snapshot ${hash}@${generation} was not restored exactly: ${describeDifference(difference)}`,
    { hint: 'Nothing was restored.', fields: { hash, generation, path: difference.path } },
  );
}
