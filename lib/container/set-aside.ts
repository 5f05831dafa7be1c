import { mkdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { ProjectHash } from '../digest.js';
import { writeFileDurably } from '../store/atomic-write.js';
import { forgetFailedTries, type LedgerClass } from '../store/ledger.js';
import type { StorePaths } from '../store/paths.js';
import { discardDirectory } from '../rootfs/move-tree.js';

/**
 * Takes what is kept under a hash out of use: it lies in `set-aside/HASH` with the reason beside it until `prune`, and
 * no build starts from it. One set aside earlier under the same hash is removed. To be called under the store's lock.
 */
export async function setAside(
  paths: StorePaths,
  hash: ProjectHash,
  why: { readonly reason: string; readonly jobClass: LedgerClass },
): Promise<void> {
  const [from, to] = [paths.parked(hash).dir, join(paths.setAsideRoot, hash)];
  await discardDirectory(to);
  await mkdir(paths.setAsideRoot, { recursive: true });
  await rename(from, to);
  await writeFileDurably(join(to, 'reason'), `${why.reason}\n`);
  await forgetFailedTries(paths, hash, why.jobClass);
}
