import { randomBytes } from 'node:crypto';
import { lstat, mkdir, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { messageOf, systemErrorCode } from '../errors.js';
import { execInIdMap } from '../id-map.js';
import { traceTo } from '../trace.js';

const trace = traceTo('park');

/** How a tree got to its new place. A copy takes minutes, loses sockets, and gives every file a new inode and ctime. */
export type MoveKind = 'rename' | 'copy';

/** What GNU tar keeps, all of it: nanoseconds, xattrs, ACLs, container ids, hard links, holes. */
const KEEP_ALL = [
  '--format=posix',
  '--xattrs',
  '--xattrs-include=*',
  '--acls',
  '--numeric-owner',
  '--sparse',
];

/**
 * Moves a container's tree: by rename where both places are on one file system, otherwise as a copy inside the id map
 * that takes the final name only when it is complete. `to` must not exist; its parent is made when missing.
 * @param options.onCopy called before a copy begins, which may take minutes
 * @param options.onCopied called when both trees are there, before the first is removed
 */
export async function moveTree(
  from: string,
  to: string,
  options: {
    readonly onCopy?: (() => void) | undefined;
    readonly onCopied?: (() => Promise<void>) | undefined;
  } = {},
): Promise<MoveKind> {
  await mkdir(dirname(to), { recursive: true });
  try {
    await rename(from, to);
    return 'rename';
  } catch (error) {
    if (systemErrorCode(error) === 'EXDEV') {
      trace('%s and %s are on different file systems: copying', from, to);
    } else if (['EACCES', 'EPERM'].includes(systemErrorCode(error) ?? '')) {
      // The root of the container belongs to another of its ids, or its owner may not write to it.
      await execInIdMap(['mv', '--no-target-directory', '--', from, to]);
      return 'rename';
    } else {
      throw error;
    }
  }
  options.onCopy?.();
  await copyTree(from, `${to}.partial`);
  await rename(`${to}.partial`, to);
  await options.onCopied?.();
  await removeTree(from).catch((error: unknown) =>
    trace('the copy is complete, but %s stays: %s', from, messageOf(error)),
  );
  return 'copy';
}

/**
 * Copies a tree with everything that GNU tar keeps, inside the id map. `to` is made anew.
 * @throws RbmResumeError `COMMAND_FAILED`; then `to` is removed again
 */
export async function copyTree(from: string, to: string): Promise<void> {
  await removeTree(to);
  await mkdir(to);
  const script =
    'set -o pipefail; from=$1 to=$2; shift 2; tar -C "$from" "$@" -cf - . | tar -C "$to" "$@" -p -xf -';
  try {
    // GNU tar says on standard error which sockets it leaves out.
    await execInIdMap(['bash', '-c', script, 'bash', from, to, ...KEEP_ALL], { allowStderr: true });
  } catch (error) {
    await removeTree(to).catch((second: unknown) => trace('cannot remove %s: %s', to, messageOf(second)));
    throw error;
  }
}

/** Removes a container's tree inside the id map, where everything in it can be removed. Nothing there is no error. */
export async function removeTree(dir: string): Promise<void> {
  await execInIdMap(['rm', '-rf', '--one-file-system', '--', dir]);
}

/**
 * Removes a directory of the store, or the container of a killed build. It takes another name first, so that from one moment
 * on it is not there any more, and a process that still has its path writes nothing into what is being removed: the `sync`
 * after a parking, or what ran a script for an rbm that was killed, and clears up when that script is killed, too.
 */
export async function discardDirectory(
  dir: string,
  doomed = `${dir}.removing-${randomBytes(4).toString('hex')}`,
): Promise<void> {
  try {
    await rename(dir, doomed);
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return;
    throw error;
  }
  await removeTree(doomed);
}

/**
 * Puts a directory in the place of whatever has that name, if anything has: by two renames, so a failure leaves one or the other. The old one
 * is removed then.
 */
export async function replaceDirectory(from: string, to: string): Promise<void> {
  const doomed = `${to}.removing-${randomBytes(4).toString('hex')}`;
  const isThere = await rename(to, doomed).then(
    () => true,
    (error: unknown) => {
      if (systemErrorCode(error) === 'ENOENT') return false;
      throw error;
    },
  );
  try {
    await rename(from, to);
  } catch (error) {
    if (isThere) await rename(doomed, to);
    throw error;
  }
  if (!isThere) return;
  await removeTree(doomed).catch((error: unknown) => trace('cannot remove %s: %s', doomed, messageOf(error)));
}

/** The inode number of a directory as text, `null` when there is none at that path (a symbolic link is none). */
export async function directoryInode(dir: string): Promise<string | null> {
  try {
    const stat = await lstat(dir, { bigint: true });
    return stat.isDirectory() ? stat.ino.toString() : null;
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(systemErrorCode(error) ?? '')) return null;
    throw error;
  }
}
