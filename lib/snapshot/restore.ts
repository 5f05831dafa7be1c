import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, open, readdir, rename, rm, type FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { hexOf, type Digest } from '../digest.js';
import { messageOf, RbmResumeError, systemErrorCode } from '../errors.js';
import { detectCompression, type Compression } from '../layer/compression.js';
import { extractLayers, type LayerSource } from '../layer/extract.js';
import { describeDifference, findDifference, type LayeredTree, type TreeDifference } from '../layer/merge.js';
import { treeDigest } from '../layer/tree-digest.js';
import { writeListing, type ListingSummary } from '../rootfs/baseline.js';
import { sizeOf } from '../rootfs/entry.js';
import { removeTree } from '../rootfs/move-tree.js';
import { openScan } from '../rootfs/scan.js';
import { readXattrs } from '../rootfs/xattrs.js';
import { hashFile, openBlob } from '../store/blobs.js';
import { withRoom, type Need } from '../store/room.js';
import { traceTo } from '../trace.js';
import type { Trust } from '../trust/judge.js';
import { ANNOTATION } from './annotations.js';
import { requireTrusted, signedTreeDigest } from './judge-snapshot.js';
import { openStore } from './open-store.js';
import { tellingReplacement } from './replaced.js';
import type { SnapshotProgress } from './save.js';
import type { Snapshot, SnapshotLayer } from './snapshot.js';
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
    if (to.trust === undefined) return restoreTree(snapshot, to);
    const judgement = await requireTrusted(snapshot, to.trust);
    return restoreTree(snapshot, { ...to, treeDigest: signedTreeDigest(judgement) });
  });
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
  const sources = await openSources(snapshot, to);
  const scratch = await mkdtemp(join(tmpdir(), 'rbm-resume-'));
  const partial = `${to.dir}.restoring-${randomBytes(4).toString('hex')}`;
  try {
    const tree = to.tree ?? (await snapshot.tree());
    refuseOtherTree(snapshot, tree, to.treeDigest ?? null);
    const place = { dir: dirname(to.dir), what: 'the snapshot' };
    return await withRoom(place, needOf(tree, sources), async () => {
      await mkdir(partial);
      const onBytes = await progressOf(sources, to.onProgress);
      await bothOf(verifyAll(sources), extractLayers(sources, partial, { tree, scratch, onBytes }));
      to.onProgress?.({ what: 'checking', bytes: 0, entries: tree.size, totalBytes: null });
      const file = to.listingTo ?? join(scratch, 'listing');
      const [listing, xattrs] = await Promise.all([writeListing(partial, file), readXattrs(partial)]);
      const difference = await findDifference(tree, await openScan(file, xattrs));
      if (difference !== null) throw inexact(snapshot, difference);
      await rename(partial, to.dir);
      return { snapshot, entries: tree.size, listing };
    });
  } catch (error) {
    await removeTree(partial).catch((second: unknown) =>
      trace('cannot remove %s: %s', partial, messageOf(second)),
    );
    throw error;
  } finally {
    await Promise.all(sources.map(({ handle }) => handle.close()));
    await rm(scratch, { recursive: true, force: true }).catch((error: unknown) =>
      trace('cannot remove %s: %s', scratch, messageOf(error)),
    );
  }
}

/** A layer that is open, and how to check its digest through the same descriptor. */
type OpenLayer = LayerSource & { readonly verify: () => Promise<void> };

/** The bytes of a damaged layer reach nothing but the sandbox and a directory that is removed again. */
const verifyAll = (layers: readonly OpenLayer[]): Promise<unknown> =>
  Promise.all(layers.map(({ verify }) => verify()));

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

/** Opens every layer. */
async function openSources(snapshot: Snapshot, options: RestoreOptions): Promise<OpenLayer[]> {
  const opened: OpenLayer[] = [];
  try {
    for (const layer of snapshot.layers) opened.push(await openLayer(snapshot, layer, options));
    const base = opened[0]?.handle;
    return opened.map((source, number) => {
      const copied = snapshot.layers[number]?.baseCopies ?? [];
      return base === undefined || copied.length === 0
        ? source
        : { ...source, copies: { of: base, members: copied } };
    });
  } catch (error) {
    await Promise.all(opened.map(({ handle }) => handle.close()));
    throw error;
  }
}

async function openLayer(
  snapshot: Snapshot,
  layer: SnapshotLayer,
  options: RestoreOptions,
): Promise<OpenLayer> {
  const { number, compression, descriptor } = layer;
  const members = () => snapshot.archived(layer);
  const diffSize = layer.diffSize ?? Number.MAX_SAFE_INTEGER;
  const isBase = number === 0 && descriptor.annotations?.[ANNOTATION.base] !== undefined;
  if (isBase && !(await snapshot.hasBase())) {
    const brought = await openBrought(snapshot, layer, options.base ?? null);
    return { ...brought, diffSize, members, verify: () => Promise.resolve() };
  }
  const blob = await openBlob(snapshot.paths, descriptor);
  return { handle: blob.handle, compression, diffSize, members, verify: () => blob.verify() };
}

/** The base where the store has none: the very tarball that the tree began with. */
async function openBrought(
  snapshot: Snapshot,
  layer: SnapshotLayer,
  file: string | null,
): Promise<{ readonly handle: FileHandle; readonly compression: Compression }> {
  const { annotations = {}, digest } = layer.descriptor;
  const wanted = annotations[ANNOTATION.baseSource] ?? hexOf(digest);
  const name = annotations[ANNOTATION.base] ?? 'the base';
  const needed = (what: string): RbmResumeError =>
    new RbmResumeError('BASE_NEEDED', `the snapshot was stored without its base ${name}, and ${what}`, {
      hint: `Bring the tarball whose sha256 is ${wanted}, or save with the base next time.`,
      fields: { hash: snapshot.hash, sha256: wanted, base: name },
    });
  if (file === null) throw needed('there is none at hand');
  const handle = await open(file, 'r');
  try {
    const found = await hashFile(handle);
    if (hexOf(found.digest) !== wanted)
      throw needed(`${file} is another one (sha256 ${hexOf(found.digest)})`);
    return { handle, compression: await detectCompression(handle, file) };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** Sparse files take less than their size: what the archives have is enough for them. */
function needOf(tree: LayeredTree, sources: readonly LayerSource[]): Need {
  let [size, inodes] = [0, 0];
  for (const entry of tree.values()) {
    if (entry.link !== '' && entry.link !== entry.path) continue;
    size += sizeOf(entry);
    inodes += 1;
  }
  const archived = sources.reduce((sum, { diffSize }) => sum + diffSize, 0);
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

function inexact(snapshot: Snapshot, difference: TreeDifference): RbmResumeError {
  const { hash, generation } = snapshot;
  return new RbmResumeError(
    'INEXACT_RESTORE',
    `the snapshot ${hash}@${generation} was not restored exactly: ${describeDifference(difference)}`,
    { hint: 'Nothing was restored.', fields: { hash, generation, path: difference.path } },
  );
}
