import { lstat, open, unlink } from 'node:fs/promises';
import { isDigest, type Digest } from '../digest.js';
import { syncDirectory } from './atomic-write.js';
import { blobPath } from './blobs.js';
import { readIndex } from './image-index.js';
import { namesIn } from './live.js';
import { withStoreLock } from './lock.js';
import type { StorePaths } from './paths.js';
import { findReachable } from './reachable.js';
import { removeStaleWrites } from './stale-writes.js';
import { removeStaleStaging } from './staging.js';
import { namingWriteFailures } from './write-failure.js';

/** What a collection removed. */
export interface CollectedGarbage {
  readonly removed: readonly Digest[];
  /** The sizes of the removed blobs together; one that has other hard links frees nothing. */
  readonly bytes: number;
  /** Folders of writers that are no more. */
  readonly stagingFolders: number;
}

/**
 * Removes, under the store's lock, every blob that no entry of `index.json` leads to, and what killed writers left behind.
 * Take the entries out first. Files in the directory of blobs that are not named like a blob stay.
 *
 * Other tools don't know the lock: a `skopeo copy` into the store must not run meanwhile.
 * @throws RbmResumeError `STORE_BUSY`; `BAD_INDEX`, `MISSING_BLOB` or `DAMAGED_BLOB` when the index or a manifest can't be
 *   read, and then nothing has been removed
 */
export function collectGarbage(paths: StorePaths): Promise<CollectedGarbage> {
  return namingWriteFailures(paths.root, () =>
    withStoreLock(paths, async () => {
      const index = await readIndex(paths);
      const reachable = await findReachable(paths, index.manifests);
      const stagingFolders = await removeStaleStaging(paths);
      await removeStaleWrites(paths);
      const garbage = (await namesIn(paths.blobs))
        .map((name) => `sha256:${name}`)
        .filter(isDigest)
        .filter((digest) => !reachable.has(digest));
      if (garbage.length > 0) await syncIndex(paths);
      let bytes = 0;
      for (const digest of garbage) {
        const path = blobPath(paths, digest);
        bytes += (await lstat(path)).size;
        await unlink(path);
      }
      return { removed: garbage, bytes, stagingFolders };
    }),
  );
}

/** Before the first blob goes: after a power cut an index that refers to it must not come back. */
async function syncIndex(paths: StorePaths): Promise<void> {
  const handle = await open(paths.index, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
  await syncDirectory(paths.root);
}
