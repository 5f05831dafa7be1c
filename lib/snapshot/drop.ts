import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { hexOf, type Digest, type ProjectHash } from '../digest.js';
import { messageOf } from '../errors.js';
import { commit } from '../store/commit.js';
import { collectGarbage } from '../store/gc.js';
import type { StorePaths } from '../store/paths.js';
import { writeSealedDurably } from '../store/sealed-json.js';
import { NO_POLICY, type Trust } from '../trust/judge.js';
import { traceTo } from '../trace.js';
import { amongSound, type JudgedEntry } from './index-entries.js';
import { judgeIndex } from './open-store.js';
import { nameRefs } from './refs.js';
import { isListed } from './replaced.js';
import { judgeSnapshot } from './judge-snapshot.js';
import { Snapshot, type SnapshotEntry } from './snapshot.js';
import { namingIoFailures } from '../system-error.js';

const trace = traceTo('snapshot');

/**
 * Forgets all snapshots under a hash and removes the blobs that nothing else refers to. A job that belongs to a class forgets only what
 * its own class has made: others have not built yet.
 * @returns how many there were
 */
export function dropSnapshots(
  paths: StorePaths,
  hash: ProjectHash,
  trust: Trust = NO_POLICY,
): Promise<number> {
  return namingIoFailures(`dropping the snapshots of ${hash}`, () => removeAll(paths, hash, trust));
}

async function removeAll(paths: StorePaths, hash: ProjectHash, trust: Trust): Promise<number> {
  // Most builds were never interrupted: they don't wait for a lock.
  if (!existsSync(paths.index)) return 0;
  const ofHash = (await judgeIndex(paths, hash)).filter(({ kind }) => kind !== 'foreign');
  const entries = trust.policy === null ? ofHash : await findOwn(paths, ofHash, trust);
  if (entries.length === 0) return 0;
  await removeEntries(paths, new Set(entries.map(({ descriptor }) => descriptor.digest)));
  // The next collection takes what this one could not.
  await collectGarbage(paths).catch((error: unknown) => trace('no garbage collected: %s', messageOf(error)));
  return entries.length;
}

async function findOwn(
  paths: StorePaths,
  entries: readonly JudgedEntry[],
  trust: Trust,
): Promise<JudgedEntry[]> {
  const own: JudgedEntry[] = [];
  for (const one of entries) {
    if (one.kind !== 'sound') continue;
    const snapshot = await Snapshot.open(paths, one.entry).catch(() => null);
    if (snapshot === null) continue;
    const judgement = await judgeSnapshot(snapshot, trust);
    if (!judgement.isAccepted) continue;
    if ((judgement.statement?.predicate.class ?? trust.jobClass) === trust.jobClass) own.push(one);
  }
  return own;
}

/**
 * Takes a snapshot out of use: the index has it no more, and `quarantine/` says why. Its blobs stay until the next collection
 * of garbage.
 */
export async function quarantine(paths: StorePaths, entry: SnapshotEntry, reason: string): Promise<void> {
  if (!(await isListed(paths, entry.digest))) return;
  await writeQuarantineNote(paths, entry, reason);
  await removeEntries(paths, new Set([entry.digest]));
}

/** Says why a snapshot is taken out of use; whoever calls this takes it out of the index. */
export async function writeQuarantineNote(
  paths: StorePaths,
  entry: SnapshotEntry,
  reason: string,
): Promise<void> {
  await mkdir(paths.quarantineRoot, { recursive: true });
  await writeSealedDurably(join(paths.quarantineRoot, quarantineName(entry)), {
    reason,
    at: new Date().toISOString(),
    descriptor: entry.descriptor,
  });
}

/** Whether a snapshot was taken out of use here, and nobody has pruned since. */
export const isTakenOut = (paths: StorePaths, entry: SnapshotEntry): Promise<boolean> =>
  Promise.resolve(existsSync(join(paths.quarantineRoot, quarantineName(entry))));

/** Others of the same hash and number may follow: a repair of the index must know all that are out of use. */
const quarantineName = ({ hash, generation, digest }: SnapshotEntry): string =>
  `${hash}@${generation}-${hexOf(digest).slice(0, 16)}.json`;

/** Takes entries out of the index; their blobs stay. */
export async function removeEntries(paths: StorePaths, digests: ReadonlySet<Digest>): Promise<void> {
  await commit(paths, {
    blobs: [],
    updateIndex: (manifests) =>
      amongSound(paths, nameRefs)(manifests.filter(({ digest }) => !digests.has(digest))),
  });
}
