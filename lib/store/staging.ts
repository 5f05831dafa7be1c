import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { copyFile, link, mkdir, open, realpath, rm, writeFile, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { RbmResumeError, systemErrorCode } from '../errors.js';
import { traceTo } from '../trace.js';
import { hashFile, type BlobName } from './blobs.js';
import { namesIn } from './live.js';
import { tryFileLock, withFileLock } from './lock.js';
import type { StorePaths } from './paths.js';
import { namingWriteFailures } from './write-failure.js';

const trace = traceTo('store');

/** In a staging folder: the file on which its writer holds `flock` for as long as it lives. */
const IN_USE = 'in-use';

/** A file that is whole, on the disk, and known by its digest: ready to become a blob. */
export interface StagedBlob extends BlobName {
  readonly file: string;
}

/** A folder of one writer's own, on the file system of the store. */
export interface Staging {
  readonly dir: string;
  /**
   * Makes a file of the folder ready for a commit: fsyncs it and reads it through for its digest. Nothing may write to
   * the file any more.
   * @throws RbmResumeError `DAMAGED_BLOB` when it is not what was expected; `STORE_WRITE_FAILED`, after which the file
   *   must be given up: the kernel has dropped the error, so another fsync would succeed without the data
   */
  readonly prepare: (file: string, expected?: BlobName) => Promise<StagedBlob>;
  /** Writes `data` to a new file of the folder and prepares it. */
  readonly put: (data: string | Uint8Array) => Promise<StagedBlob>;
}

/**
 * Runs `work` with a staging folder, which is removed afterwards, however that ends. After a kill -9 the kernel drops the
 * lock that marks it as in use, and gc removes it.
 * @throws RbmResumeError `STORE_BUSY`, `STORE_WRITE_FAILED`, and what `work` throws
 */
export async function withStaging<T>(paths: StorePaths, work: (staging: Staging) => Promise<T>): Promise<T> {
  const name = randomBytes(8).toString('hex');
  const dir = join(paths.stagingRoot, name);
  const inUse = await namingWriteFailures(paths.root, () => makeStagingFolder(paths, dir));
  try {
    return await work({
      dir,
      prepare: (file, expected) => namingWriteFailures(paths.root, () => prepare(file, expected)),
      put: (data) =>
        namingWriteFailures(paths.root, async () => {
          const file = join(dir, randomBytes(8).toString('hex'));
          await writeFile(file, data, { flag: 'wx' });
          return prepare(file);
        }),
    });
  } finally {
    await rm(dir, { recursive: true, force: true }).catch((error: unknown) =>
      trace('left to gc: %s: %o', dir, error),
    );
    await inUse.close();
  }
}

/** How a file came into a staging folder. */
export type Taken = 'linked' | 'copied';

/**
 * Takes a file as it is into a staging folder: as a hard link, or where that can't be, as a copy (which shares its blocks
 * where the file system can). The target of a symbolic link is taken.
 * What becomes of the file afterwards is seen by {@link Staging.prepare}, and by every reader of the blob.
 * @throws RbmResumeError `STORE_WRITE_FAILED`
 */
export async function linkOrCopy(from: string, stagingFile: string): Promise<Taken> {
  const source = await realpath(from);
  return namingWriteFailures(stagingFile, () => takeFile(source, stagingFile));
}

async function takeFile(source: string, stagingFile: string): Promise<Taken> {
  try {
    await link(source, stagingFile);
    return 'linked';
  } catch (error) {
    if (!['EXDEV', 'EPERM', 'EMLINK', 'EACCES', 'EOPNOTSUPP'].includes(systemErrorCode(error) ?? ''))
      throw error;
    await copyFile(source, stagingFile, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
    return 'copied';
  }
}

/**
 * Removes the staging folders of writers that are no more. To be called under the store's lock.
 * @returns how many there were
 */
export async function removeStaleStaging(paths: StorePaths): Promise<number> {
  let removed = 0;
  for (const name of await namesIn(paths.stagingRoot)) {
    const dir = join(paths.stagingRoot, name);
    // Folder and lock are made under the store's lock, so one without the other is a dead writer's.
    const inUse = await openIfThere(join(dir, IN_USE));
    try {
      if (inUse !== null && !(await tryFileLock(inUse))) continue;
      await rm(dir, { recursive: true, force: true });
      removed += 1;
    } finally {
      await inUse?.close();
    }
  }
  return removed;
}

/** Under the kernel's lock alone: a writer that only begins need not wait in the visible queue. */
async function makeStagingFolder(paths: StorePaths, dir: string): Promise<FileHandle> {
  await mkdir(paths.stagingRoot, { recursive: true });
  return withFileLock(paths.kernelLock, async () => {
    await mkdir(dir);
    const inUse = await open(join(dir, IN_USE), 'wx').catch(async (error: unknown) => {
      await rm(dir, { recursive: true, force: true });
      throw error;
    });
    if (await tryFileLock(inUse)) return inUse;
    await inUse.close();
    throw new Error(`${dir} was made a moment ago and is locked`);
  });
}

async function prepare(file: string, expected?: BlobName): Promise<StagedBlob> {
  const handle = await open(file, 'r');
  try {
    const [found] = await Promise.all([hashFile(handle), handle.sync()]);
    if (expected && (expected.digest !== found.digest || expected.size !== found.size)) {
      const describe = ({ digest, size }: BlobName) => `${digest} (${size} bytes)`;
      throw new RbmResumeError(
        'DAMAGED_BLOB',
        `${file} is not what was written: expected ${describe(expected)}, found ${describe(found)}`,
        {
          hint: 'Was the file changed meanwhile? Nothing was kept of it.',
          fields: {
            digest: expected.digest,
            path: file,
            expected: describe(expected),
            found: describe(found),
          },
        },
      );
    }
    return { ...found, file };
  } finally {
    await handle.close();
  }
}

async function openIfThere(path: string): Promise<FileHandle | null> {
  try {
    return await open(path, 'r+');
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(systemErrorCode(error) ?? '')) return null;
    throw error;
  }
}
