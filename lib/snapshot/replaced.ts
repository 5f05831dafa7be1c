import type { Digest } from '../digest.js';
import { RbmResumeError } from '../errors.js';
import { readIndex } from '../store/image-index.js';
import type { StorePaths } from '../store/paths.js';
import { Snapshot, type SnapshotEntry } from './snapshot.js';

/** Whether the index still leads to this manifest; one that can't be read has not given it up. */
export async function isListed(paths: StorePaths, digest: Digest): Promise<boolean> {
  try {
    return (await readIndex(paths)).manifests.some((one) => one.digest === digest);
  } catch (error) {
    if (error instanceof RbmResumeError) return true;
    throw error;
  }
}

/**
 * Runs `work`, which reads a snapshot. Readers take no lock: when something of it turns out to be missing, and the index has it
 * no more, then it was replaced or dropped, and its blobs collected, since the index was read. Nothing is damaged then.
 * @throws RbmResumeError `NO_SUCH_SNAPSHOT` in that case, else what `work` throws
 */
export async function tellingReplacement<T>(
  paths: StorePaths,
  entry: SnapshotEntry,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const isMissing = error instanceof RbmResumeError && ['MISSING_BLOB', 'BASE_NEEDED'].includes(error.code);
    if (!isMissing || (await isListed(paths, entry.digest))) throw error;
    const { hash, generation } = entry;
    throw new RbmResumeError(
      'NO_SUCH_SNAPSHOT',
      `the snapshot ${hash}@${generation} was replaced meanwhile`,
      {
        hint: 'Nothing is damaged: `rbm-resume list` prints what there is now.',
        cause: error,
        fields: { hash, generation },
      },
    );
  }
}

/** `Snapshot.open` of an entry that was listed a moment ago. @throws RbmResumeError also `NO_SUCH_SNAPSHOT` */
export const openListed = (paths: StorePaths, entry: SnapshotEntry): Promise<Snapshot> =>
  tellingReplacement(paths, entry, () => Snapshot.open(paths, entry));

/** {@link tellingReplacement} of several: it tells of the first that is no longer listed. */
export const tellingFirstReplacement = <T>(
  paths: StorePaths,
  entries: readonly SnapshotEntry[],
  work: () => Promise<T>,
): Promise<T> =>
  entries.reduce<() => Promise<T>>((inner, entry) => () => tellingReplacement(paths, entry, inner), work)();
