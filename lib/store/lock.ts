import { spawn } from 'node:child_process';
import { mkdir, open, stat, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { ProjectHash } from '../digest.js';
import { RbmResumeError } from '../errors.js';
import { clearedEnvironment } from '../exec.js';
import type { StorePaths } from './paths.js';
import { showLock } from './visible-lock.js';

const WAIT_SECONDS = 60;

/**
 * Runs `work` as the only one that moves things in the store.
 *
 * Two locks: the kernel's `flock` on an open descriptor, which decides, since no clock, no stopped process and no file that
 * a killed one has left can break it; and under it `proper-lockfile`'s directory, by which people and other tools see that
 * somebody is at work. The second neither keeps anybody out nor holds anybody up.
 * @throws RbmResumeError `STORE_BUSY` when another process holds the kernel's lock for a whole minute; `COMMAND_FAILED`
 */
export async function withStoreLock<T>(paths: StorePaths, work: () => Promise<T>): Promise<T> {
  await mkdir(paths.state, { recursive: true });
  return withFileLock(paths.kernelLock, async () => {
    const hideLock = await showLock(paths);
    try {
      return await work();
    } finally {
      await hideLock();
    }
  });
}

/** What is kept under one hash is packed or restored in minutes at most, however large it is. */
const HASH_WAIT_SECONDS = 3600;

/**
 * Runs `work` as the only one that parks, takes back, packs or restores under this hash. Taken before the store's lock,
 * which is held only while names change.
 * @throws RbmResumeError `STORE_BUSY` after an hour
 */
export async function withHashLock<T>(
  paths: StorePaths,
  hash: ProjectHash,
  work: () => Promise<T>,
): Promise<T> {
  const file = paths.hashLock(hash);
  await mkdir(dirname(file), { recursive: true });
  return withFileLock(file, work, HASH_WAIT_SECONDS);
}

/**
 * Runs `work` while `flock` is held on `file`, which is made when missing. The kernel drops the lock when this process
 * ends, however it ends. Source: flock(1), which locks the open file description that its caller passes down.
 * @param waitSeconds whole seconds
 * @throws RbmResumeError `STORE_BUSY` when somebody else holds it all the while; `COMMAND_FAILED`
 */
export async function withFileLock<T>(
  file: string,
  work: () => Promise<T>,
  waitSeconds = WAIT_SECONDS,
): Promise<T> {
  const handle = await openLocked(file, waitSeconds);
  try {
    return await work();
  } finally {
    await handle.close();
  }
}

async function openLocked(file: string, waitSeconds: number): Promise<FileHandle> {
  for (;;) {
    const handle = await open(file, 'a');
    let isLocked = false;
    try {
      if (!(await takeFileLock(handle, ['--timeout', String(waitSeconds)]))) throw busy(file, waitSeconds);
      // Whoever removed the file meanwhile made room for another one, on which others hold another lock.
      isLocked = await isSameFile(handle, file);
      if (isLocked) return handle;
    } finally {
      if (!isLocked) await handle.close();
    }
  }
}

async function isSameFile(handle: FileHandle, file: string): Promise<boolean> {
  const [ours, there] = await Promise.all([handle.stat(), stat(file).catch(() => null)]);
  return there !== null && ours.ino === there.ino && ours.dev === there.dev;
}

/**
 * Takes `flock` on an open file without waiting. It is held until the descriptor is closed or this process ends.
 * @returns whether it was free
 * @throws RbmResumeError `COMMAND_FAILED` when this can't be found out
 */
export const tryFileLock = (handle: FileHandle): Promise<boolean> => takeFileLock(handle, ['--nonblock']);

const HELD_BY_ANOTHER = 9;

/** @returns whether it was got */
async function takeFileLock(handle: FileHandle, options: readonly string[]): Promise<boolean> {
  const conflict = ['--conflict-exit-code', String(HELD_BY_ANOTHER)];
  const status = await runFlock(handle, [...conflict, ...options]);
  if (status === 0 || status === HELD_BY_ANOTHER) return status === 0;
  throw new RbmResumeError('COMMAND_FAILED', `flock ended with ${status ?? 'a signal'}`, {
    hint: 'Does the file system of the store have flock(2)?',
  });
}

function runFlock(handle: FileHandle, options: readonly string[]): Promise<number | null> {
  const child = spawn('flock', ['--exclusive', ...options, '3'], {
    stdio: ['ignore', 'ignore', 'ignore', handle.fd],
    env: clearedEnvironment(),
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
}

const busy = (file: string, seconds: number): RbmResumeError =>
  new RbmResumeError('STORE_BUSY', `another process has held the lock ${file} for ${seconds} s`, {
    hint: `Wait for it. \`fuser -v ${file}\` lists it, and those that wait.`,
    fields: { path: file },
  });
