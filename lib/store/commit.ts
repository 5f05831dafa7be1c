import { lstat, open, rename, unlink } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import type { Digest } from '../digest.js';
import { systemErrorCode } from '../errors.js';
import { traceTo } from '../trace.js';
import { syncDirectory } from './atomic-write.js';
import { blobPath, missingBlob, openBlob } from './blobs.js';
import { prepareLayout, readIndex, updateIndex, type IndexChange } from './image-index.js';
import { withStoreLock } from './lock.js';
import type { Descriptor, ImageIndex } from './oci.js';
import type { StorePaths } from './paths.js';
import { findReachable } from './reachable.js';
import type { StagedBlob } from './staging.js';
import { namingWriteFailures } from './write-failure.js';

const trace = traceTo('store');

/**
 * Moves staged blobs to their places and changes the index, all in one section under the store's lock, so gc never sees
 * a blob that nothing refers to yet. When it is fulfilled, both survive a power cut. When it rejects, the old index stands and
 * blobs that were not there before are gone; only if the sync of the index's directory fails may the new state stand, whole.
 *
 * A blob that is there already is replaced by the staged one: that has just been read through, the other may be
 * damaged. Entries that are new in the index are checked: every blob that they lead to must be there, staged or
 * not, with the right size.
 * @returns the index as it is now
 * @throws RbmResumeError `STORE_BUSY`, `STORE_WRITE_FAILED`, `BAD_INDEX`, `MISSING_BLOB`, `DAMAGED_BLOB`, and what `updateIndex`
 *   throws
 */
export function commit(
  paths: StorePaths,
  options: {
    readonly blobs: readonly StagedBlob[];
    readonly updateIndex: IndexChange;
    /** Blobs that the new entries name but that somebody else will bring. @default none */
    readonly mayBeAbsent?: ReadonlySet<Digest>;
  },
): Promise<ImageIndex> {
  return namingWriteFailures(paths.root, () =>
    withStoreLock(paths, async () => {
      await prepareLayout(paths);
      const before = await readIndex(paths);
      const placed: string[] = [];
      try {
        for (const blob of options.blobs) await placeBlob(paths, blob, placed);
        await syncDirectory(paths.blobs);
        return await updateIndex(paths, async (manifests) => {
          const after = await options.updateIndex(manifests);
          // Another name for what was there already is none of its blobs' business.
          const added = after.filter(({ digest }) => !manifests.some((old) => old.digest === digest));
          await checkComplete(paths, added, options);
          return after;
        });
      } catch (error) {
        await withdraw(paths, before, placed);
        throw error;
      }
    }),
  );
}

async function placeBlob(paths: StorePaths, blob: StagedBlob, placed: string[]): Promise<void> {
  const path = blobPath(paths, blob.digest);
  const isNew = !(await exists(path));
  await rename(blob.file, path);
  if (isNew) placed.push(path);
}

/** Blobs that came from elsewhere (skopeo does not sync) are made durable, since an entry now relies on them. */
async function checkComplete(
  paths: StorePaths,
  added: readonly Descriptor[],
  options: { readonly blobs: readonly StagedBlob[]; readonly mayBeAbsent?: ReadonlySet<Digest> },
): Promise<void> {
  const staged = new Set(options.blobs.map(({ digest }) => digest));
  for (const [digest, size] of await findReachable(paths, added)) {
    if (options.mayBeAbsent?.has(digest) && !(await exists(blobPath(paths, digest)))) continue;
    if (size === null) {
      const path = blobPath(paths, digest);
      if (!(await exists(path))) throw missingBlob(digest, path);
      if (!staged.has(digest)) await syncFile(path);
      continue;
    }
    const blob = await openBlob(paths, { digest, size });
    try {
      if (!staged.has(digest)) await blob.handle.sync();
    } finally {
      await blob.close();
    }
  }
}

/** Takes back what was placed, unless the index may refer to it. What can't be taken back is left to gc. */
async function withdraw(paths: StorePaths, before: ImageIndex, placed: readonly string[]): Promise<void> {
  try {
    if (!isDeepStrictEqual(await readIndex(paths), before)) return;
    for (const path of placed) await unlink(path);
  } catch (error) {
    trace('left to gc: %o: %o', placed, error);
  }
}

async function syncFile(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return false;
    throw error;
  }
}
