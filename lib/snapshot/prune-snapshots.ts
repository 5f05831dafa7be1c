import { lstat, mkdir, open, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isDigest, type Digest, type ProjectHash } from '../digest.js';
import { RbmResumeError } from '../errors.js';
import { blobPath } from '../store/blobs.js';
import { collectGarbage } from '../store/gc.js';
import { readIndex } from '../store/image-index.js';
import { namesIn } from '../store/live.js';
import { tryFileLock } from '../store/lock.js';
import { storePaths, type StorePaths } from '../store/paths.js';
import { findReachable } from '../store/reachable.js';
import { removeEntries } from './drop.js';
import { listSnapshots } from './open-store.js';
import type { SnapshotEntry } from './snapshot.js';
import { namingIoFailures } from '../system-error.js';
import { DAY_MS } from '../time.js';

/** Which snapshots go. Without any limit none does. */
export interface PruneLimits {
  /** Those older than so many days, the newest of a hash too. */
  readonly keepDays?: number;
  /** All but so many of each hash; at least 1. */
  readonly keepGenerations?: number;
  /**
   * The oldest, until the blobs of the others have no more bytes together; the newest of a hash only when no other is left.
   */
  readonly maxBytes?: number;
}

export interface PruneOptions extends PruneLimits {
  /** Only tells what would go. @default false */
  readonly isDryRun?: boolean;
  /** @default the present time */
  readonly now?: Date;
}

export interface PrunedSnapshots {
  readonly snapshots: readonly SnapshotEntry[];
  /** Those that should go but are being packed or resumed from just now: they stay. */
  readonly inUse: readonly SnapshotEntry[];
  /** Blobs that nothing refers to any more, and their sizes together. One with other hard links frees nothing. */
  readonly blobs: number;
  readonly bytes: number;
}

/**
 * Takes snapshots beyond the limits out of the index, then removes all blobs that nothing refers to and what killed writers
 * left behind. A crash in between leaves only garbage for the next time.
 * @throws RbmResumeError `USAGE` for a limit that is no such number, `BAD_INDEX`, `STORE_BUSY`, `STORE_WRITE_FAILED`, and
 *   `MISSING_BLOB` or `DAMAGED_BLOB` when a manifest can't be read: then no blob is removed
 */
export function pruneSnapshots(store: string, options: PruneOptions = {}): Promise<PrunedSnapshots> {
  return namingIoFailures(`pruning ${store}`, () => removeChosen(store, options));
}

async function removeChosen(store: string, options: PruneOptions): Promise<PrunedSnapshots> {
  const paths = storePaths(store);
  refuseBadLimits(options);
  const chosen = await chooseForRemoval(paths, options);
  if (options.isDryRun === true) {
    return { snapshots: chosen, inUse: [], ...(await findGarbage(paths, chosen)) };
  }
  const locks = await lockFree(paths, new Set(chosen.map(({ hash }) => hash)));
  try {
    const snapshots = chosen.filter(({ hash }) => locks.has(hash));
    const inUse = chosen.filter(({ hash }) => !locks.has(hash));
    if (snapshots.length > 0) await removeEntries(paths, new Set(snapshots.map(({ digest }) => digest)));
    const { removed, bytes } = await collectGarbage(paths);
    return { snapshots, inUse, blobs: removed.length, bytes };
  } finally {
    for (const handle of locks.values()) await handle.close();
  }
}

function refuseBadLimits({ keepDays, keepGenerations, maxBytes }: PruneLimits): void {
  const refuse = (what: string): never => {
    throw new RbmResumeError('USAGE', what, { hint: '`rbm-resume remove` removes one snapshot.' });
  };
  if (keepDays !== undefined && !(keepDays >= 0)) refuse(`not a number of days: ${keepDays}`);
  if (maxBytes !== undefined && !(maxBytes >= 0)) refuse(`not a number of bytes: ${maxBytes}`);
  if (keepGenerations !== undefined && !(Number.isInteger(keepGenerations) && keepGenerations >= 1))
    refuse(`at least one generation has to stay, not ${keepGenerations}`);
}

async function chooseForRemoval(paths: StorePaths, options: PruneOptions): Promise<SnapshotEntry[]> {
  const { keepDays, keepGenerations, maxBytes } = options;
  if (keepDays === undefined && keepGenerations === undefined && maxBytes === undefined) return [];
  const entries = await listSnapshots(paths);
  const oldest = (options.now ?? new Date()).getTime() - (keepDays ?? Infinity) * DAY_MS;
  const chosen = new Set<SnapshotEntry>();
  for (const entry of entries) {
    if (timeOf(entry) < oldest) chosen.add(entry);
    if (newerThan(entry, entries).length >= (keepGenerations ?? Infinity)) chosen.add(entry);
  }
  if (maxBytes !== undefined) {
    const left = entries.filter((entry) => !chosen.has(entry));
    const sizes = await Promise.all(left.map((entry) => blobsOf(paths, entry)));
    const blobs = new Map(left.map((entry, at) => [entry, sizes[at] ?? new Map<Digest, number>()]));
    while (blobs.size > 0 && sumOnce([...blobs.values()]) > maxBytes) {
      const [first] = inOrderOfRemoval([...blobs.keys()]);
      if (first === undefined) break;
      blobs.delete(first);
      chosen.add(first);
    }
  }
  return entries.filter((entry) => chosen.has(entry));
}

const newerThan = (entry: SnapshotEntry, among: readonly SnapshotEntry[]): SnapshotEntry[] =>
  among.filter(({ hash, generation }) => hash === entry.hash && generation > entry.generation);

/** Those that have a newer one first, then by age. */
function inOrderOfRemoval(entries: readonly SnapshotEntry[]): SnapshotEntry[] {
  const rank = (entry: SnapshotEntry) => (newerThan(entry, entries).length > 0 ? 0 : 1);
  return [...entries].sort(
    (a, b) => rank(a) - rank(b) || timeOf(a) - timeOf(b) || a.generation - b.generation,
  );
}

/** Milliseconds since 1970; one that does not say when it was made is not taken for old. */
function timeOf({ descriptor }: SnapshotEntry): number {
  const time = Date.parse(descriptor.annotations?.['org.opencontainers.image.created'] ?? '');
  return Number.isNaN(time) ? Infinity : time;
}

/** The blobs that an entry leads to and that are there, with their sizes. */
async function blobsOf(paths: StorePaths, entry: SnapshotEntry): Promise<Map<Digest, number>> {
  const blobs = new Map<Digest, number>();
  for (const digest of (await findReachable(paths, [entry.descriptor])).keys())
    blobs.set(digest, await sizeOfBlob(paths, digest));
  return blobs;
}

const sizeOfBlob = (paths: StorePaths, digest: Digest): Promise<number> =>
  lstat(blobPath(paths, digest)).then(
    ({ size }) => size,
    () => 0,
  );

const sumOnce = (all: readonly ReadonlyMap<Digest, number>[]): number =>
  [...new Map(all.flatMap((one) => [...one])).values()].reduce((sum, size) => sum + size, 0);

async function findGarbage(
  paths: StorePaths,
  without: readonly SnapshotEntry[],
): Promise<{ readonly blobs: number; readonly bytes: number }> {
  const gone = new Set(without.map(({ digest }) => digest));
  const { manifests } = await readIndex(paths);
  const reachable = await findReachable(
    paths,
    manifests.filter(({ digest }) => !gone.has(digest)),
  );
  const garbage = (await namesIn(paths.blobs))
    .map((name) => `sha256:${name}`)
    .filter(isDigest)
    .filter((digest) => !reachable.has(digest));
  let bytes = 0;
  for (const digest of garbage) bytes += await sizeOfBlob(paths, digest);
  return { blobs: garbage.length, bytes };
}

/** Locks the hashes with which nobody works now; closing a handle lets its hash go. */
async function lockFree(
  paths: StorePaths,
  hashes: ReadonlySet<ProjectHash>,
): Promise<Map<ProjectHash, FileHandle>> {
  const locks = new Map<ProjectHash, FileHandle>();
  for (const hash of hashes) {
    const file = paths.hashLock(hash);
    await mkdir(dirname(file), { recursive: true });
    const handle = await open(file, 'a');
    if (await tryFileLock(handle)) locks.set(hash, handle);
    else await handle.close();
  }
  return locks;
}
