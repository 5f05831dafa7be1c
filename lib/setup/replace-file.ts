import { lstat, readFile, readlink, stat, type FileHandle } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { RbmResumeError, systemErrorCode } from '../errors.js';
import { writeFileDurably } from '../store/atomic-write.js';

const isMissing = (error: unknown): boolean => ['ENOENT', 'ENOTDIR'].includes(systemErrorCode(error) ?? '');

/**
 * Where a path leads through symbolic links in its last component, also when nothing is there yet.
 * @throws RbmResumeError `BAD_CONFIG` for links that go round in a circle
 */
export async function followLinks(path: string): Promise<string> {
  let target = path;
  // The kernel's own limit, path_resolution(7).
  for (let hops = 0; hops <= 40; hops += 1) {
    try {
      target = resolve(dirname(target), await readlink(target));
    } catch (error) {
      if (isMissing(error) || systemErrorCode(error) === 'EINVAL') return target;
      throw new RbmResumeError('BAD_CONFIG', `cannot read ${path}`, { cause: error, fields: { file: path } });
    }
  }
  throw new RbmResumeError('BAD_CONFIG', `${path} is a symbolic link that leads round in a circle`);
}

/**
 * The bytes of a regular file, `null` when there is none.
 * @throws RbmResumeError `BAD_CONFIG` when it is something else, or can't be read
 */
export async function readRegularFile(path: string): Promise<Buffer | null> {
  try {
    if (!(await lstat(path)).isFile()) {
      throw new RbmResumeError('BAD_CONFIG', `${path} is no regular file`, { fields: { file: path } });
    }
    return await readFile(path);
  } catch (cause) {
    if (isMissing(cause)) return null;
    if (cause instanceof RbmResumeError) throw cause;
    throw new RbmResumeError('BAD_CONFIG', `cannot read ${path}`, { cause, fields: { file: path } });
  }
}

/**
 * Gives a person's file a new content, or makes it: temporary file, fsync, rename. Mode and owner stay as they are.
 * @throws a system error; then the file is as it was
 */
export async function replaceFile(path: string, content: Buffer): Promise<void> {
  const old = await stat(path).catch(() => null);
  await writeFileDurably(path, content, {
    mode: 0o666,
    prepare: async (handle) => {
      if (old !== null) await copyOwnerAndMode(handle, old);
    },
  });
}

async function copyOwnerAndMode(
  handle: FileHandle,
  old: { readonly uid: number; readonly gid: number; readonly mode: number },
): Promise<void> {
  const made = await handle.stat();
  if (made.uid !== old.uid || made.gid !== old.gid) {
    await handle.chown(old.uid, old.gid).catch((error: unknown) => {
      // Who may write in the folder but doesn't own the file becomes its owner.
      if (systemErrorCode(error) !== 'EPERM') throw error;
    });
  }
  // After chown, which clears bits of the mode.
  await handle.chmod(old.mode & 0o7777);
}
