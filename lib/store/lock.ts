import { spawn } from 'node:child_process';
import { mkdir, open, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { ProjectHash } from '../digest.js';
import { RbmResumeError } from '../errors.js';
import { clearedEnvironment } from '../exec.js';
import { traceTo } from '../trace.js';
import type { StorePaths } from './paths.js';

const trace = traceTo('store');

const WAIT_SECONDS = 60;

/** Between two looks at the visible lock pass one to two times so many milliseconds. */
const LOOK_MS = 50;

/**
 * Runs `work` as the only one that moves things in the store.
 *
 * Two locks: `proper-lockfile`'s directory, which people and other tools can see, and the kernel's `flock` on an open
 * descriptor, which no clock and no stopped process can break (proper-lockfile takes a lock over when its holder did not
 * touch it for a while). The first is for manners, the second decides.
 * @throws RbmResumeError `STORE_BUSY` when another process holds the store for longer than a minute
 */
export async function withStoreLock<T>(paths: StorePaths, work: () => Promise<T>): Promise<T> {
  await mkdir(paths.state, { recursive: true });
  const release = await takeVisibleLock(paths);
  try {
    return await withFileLock(paths.kernelLock, work);
  } finally {
    // A lock directory that somebody removed by hand is no reason to fail what was done under it.
    await release().catch((error: unknown) => trace('releasing %s: %o', paths.visibleLock, error));
  }
}

async function takeVisibleLock(paths: StorePaths): Promise<() => Promise<void>> {
  // Found only when it is needed: most hooks take no lock.
  const { default: lockfile } = await import('proper-lockfile');
  try {
    return await lockfile.lock(paths.state, {
      lockfilePath: paths.visibleLock,
      stale: 30_000,
      update: 5_000,
      retries: {
        retries: (WAIT_SECONDS * 1000) / (1.5 * LOOK_MS),
        factor: 1,
        minTimeout: LOOK_MS,
        maxTimeout: 2 * LOOK_MS,
        randomize: true,
      },
      onCompromised: (error) => trace('the visible lock was taken over: %s', error.message),
    });
  } catch (cause) {
    throw busy(paths.root, cause);
  }
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
 */
export async function withFileLock<T>(
  file: string,
  work: () => Promise<T>,
  waitSeconds = WAIT_SECONDS,
): Promise<T> {
  const handle = await open(file, 'a');
  try {
    const status = await runFlock(handle, ['--timeout', String(waitSeconds)]);
    if (status !== 0) throw busy(file, undefined, waitSeconds);
    return await work();
  } finally {
    await handle.close();
  }
}

const HELD_BY_ANOTHER = 9;

/**
 * Takes `flock` on an open file without waiting. It is held until the descriptor is closed or this process ends.
 * @returns whether it was free
 * @throws RbmResumeError `COMMAND_FAILED` when this can't be found out
 */
export async function tryFileLock(handle: FileHandle): Promise<boolean> {
  const status = await runFlock(handle, ['--nonblock', '--conflict-exit-code', String(HELD_BY_ANOTHER)]);
  if (status === 0 || status === HELD_BY_ANOTHER) return status === 0;
  throw new RbmResumeError('COMMAND_FAILED', `flock: exit status ${status}`, {
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

const busy = (what: string, cause: unknown, seconds = WAIT_SECONDS): RbmResumeError =>
  new RbmResumeError('STORE_BUSY', `another process has been working on ${what} for ${seconds} s`, {
    hint: 'Wait for it, or look for it with `fuser -v` on the lock file.',
    cause,
  });
