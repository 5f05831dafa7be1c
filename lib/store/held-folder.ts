import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { lstat, mkdir, open, rmdir, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { messageOf, systemErrorCode } from '../errors.js';
import { removeTree } from '../rootfs/move-tree.js';
import { traceTo } from '../trace.js';
import { namesIn } from './live.js';
import { tryFileLock } from './lock.js';

const trace = traceTo('store');

/** A folder of one process' own, outside the store's. The kernel drops its lock when the process ends, however it ends. */
export interface HeldFolder {
  readonly path: string;
  /** Lets others remove the folder, if it is there still. */
  release(): Promise<void>;
}

/**
 * Makes a folder `STEM` and 16 hex digits, with `flock` on the folder itself; those of the same stem that nobody holds any more
 * are removed first. The parent must be there.
 */
export async function makeHeldFolder(stem: string): Promise<HeldFolder> {
  await sweepHeldFolders(stem);
  for (;;) {
    const path = `${stem}${randomBytes(8).toString('hex')}`;
    await mkdir(path, { mode: 0o700 });
    const handle = await openUnlessGone(path);
    // Between the two somebody else may have taken it for one that was left behind.
    if (handle !== null && (await tryFileLock(handle)) && (await isAt(handle, path)))
      return { path, release: () => handle.close() };
    await handle?.close();
  }
}

/** Removes the folders of a stem whose makers are no more. What can't be opened or removed stays. */
export async function sweepHeldFolders(stem: string): Promise<void> {
  const parent = dirname(stem);
  const names = (await namesIn(parent)).map((name) => join(parent, name));
  for (const path of names.filter((one) => one.startsWith(stem))) {
    if (!/^[0-9a-f]{16}$/.test(path.slice(stem.length))) continue;
    try {
      const handle = await openFolder(path);
      try {
        if (await tryFileLock(handle)) await removeTree(path);
      } finally {
        await handle.close();
      }
    } catch (error) {
      trace('%s stays: %s', path, messageOf(error));
    }
  }
}

const openFolder = (path: string): Promise<FileHandle> =>
  open(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);

async function openUnlessGone(path: string): Promise<FileHandle | null> {
  try {
    return await openFolder(path);
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return null;
    await rmdir(path).catch((second: unknown) => trace('%s stays: %s', path, messageOf(second)));
    throw error;
  }
}

async function isAt(handle: FileHandle, path: string): Promise<boolean> {
  const [ours, there] = await Promise.all([handle.stat(), lstat(path).catch(() => null)]);
  return there !== null && ours.ino === there.ino && ours.dev === there.dev;
}
