import { unlink, open } from 'node:fs/promises';
import { join } from 'node:path';
import { isProjectHash, type ProjectHash } from '../digest.js';
import { messageOf, systemErrorCode } from '../errors.js';
import { traceTo } from '../trace.js';
import { namesIn } from './live.js';
import { tryFileLock } from './lock.js';
import type { StorePaths } from './paths.js';

const trace = traceTo('store');

/** What `writeFileDurably` and its like write to first. */
const TEMPORARY = /\.[0-9a-f]{12}\.tmp$/;

/** Beside the parked tree's own files: a new listing that was not put in place. */
const UNFINISHED_LISTING = /^baseline\.(new|listing)$/;

/**
 * Removes the temporary files of writes that were killed, in the store and beside what is parked. To be called under the store's
 * lock, under which index, layout and ledger are written; what is written under a hash's lock is left alone while somebody
 * has that one.
 */
export async function removeStaleWrites(paths: StorePaths): Promise<void> {
  await removeFrom(paths.root, (name) => /^(index\.json|oci-layout)\./.test(name) && TEMPORARY.test(name));
  await removeFrom(paths.state, (name) => name.startsWith('ledger') && TEMPORARY.test(name));
  await removeFrom(paths.ledgersRoot, (name) => TEMPORARY.test(name));
  for (const hash of (await namesIn(paths.parkedRoot)).filter(isProjectHash)) {
    const { dir } = paths.parked(hash);
    const isStale = (name: string) => TEMPORARY.test(name) || UNFINISHED_LISTING.test(name);
    if ((await namesIn(dir)).some(isStale)) await whenFree(paths, hash, () => removeFrom(dir, isStale));
  }
  for (const name of (await namesIn(paths.quarantineRoot)).filter((one) => TEMPORARY.test(one))) {
    const hash = name.slice(0, 64);
    const remove = () => removeFrom(paths.quarantineRoot, (one) => one === name);
    if (isProjectHash(hash)) await whenFree(paths, hash, remove);
  }
}

async function removeFrom(dir: string, isStale: (name: string) => boolean): Promise<void> {
  for (const name of (await namesIn(dir)).filter(isStale)) {
    await unlink(join(dir, name)).catch((error: unknown) => {
      if (systemErrorCode(error) !== 'ENOENT') throw error;
    });
  }
}

/** Runs `work` under the lock of a hash, unless somebody else has it. What can't be found out counts as in use. */
async function whenFree(paths: StorePaths, hash: ProjectHash, work: () => Promise<void>): Promise<void> {
  const handle = await open(paths.hashLock(hash), 'a').catch((error: unknown) => {
    trace('left alone: %s: %s', hash, messageOf(error));
    return null;
  });
  if (handle === null) return;
  try {
    if (await tryFileLock(handle)) await work();
  } finally {
    await handle.close();
  }
}
