import { rmdir } from 'node:fs/promises';
import { systemErrorCode } from '../errors.js';
import { traceTo } from '../trace.js';
import type { StorePaths } from './paths.js';

const trace = traceTo('store');

/**
 * Makes `proper-lockfile`'s directory, by which people and other tools see that somebody works on the store. To be called
 * by the one that holds the kernel's lock, which alone decides who works.
 *
 * So whatever stands there was left behind by a holder that was killed, with whatever time its clock, or another
 * machine's, gave it: it is replaced at once. Where no directory can be made (a full disk, a file in its place), the
 * work goes on without.
 * @returns what takes it away again; it never rejects
 */
export async function showLock(paths: StorePaths): Promise<() => Promise<void>> {
  try {
    await rmdir(paths.visibleLock).catch((error: unknown) => {
      if (systemErrorCode(error) !== 'ENOENT') throw error;
    });
    // Found only when it is needed: most hooks take no lock.
    const { default: lockfile } = await import('proper-lockfile');
    const release = await lockfile.lock(paths.state, {
      lockfilePath: paths.visibleLock,
      stale: 30_000,
      update: 5_000,
      onCompromised: (error) => trace('the visible lock was taken over: %s', error.message),
    });
    // A directory that somebody removed by hand is no reason to fail what was done under it.
    return () => release().catch((error: unknown) => trace('releasing %s: %o', paths.visibleLock, error));
  } catch (error) {
    trace('no visible lock %s: %o', paths.visibleLock, error);
    return () => Promise.resolve();
  }
}
