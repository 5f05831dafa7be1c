/**
 * What the test of a full disk runs with a tmpfs of its own at DIR: imports EXPORT with so few free pages that it fails, and
 * with a few more, again and again, until that works. Prints one line of JSON for each time.
 */
import { execFileSync } from 'node:child_process';
import { rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { RbmResumeError } from '../../lib/errors.js';
import { importSnapshots } from '../../lib/snapshot/import.js';
import { openStore } from '../../lib/snapshot/open-store.js';
import { storePaths } from '../../lib/store/paths.js';
import { filesBelow, saveImage } from '../store/oci-images.js';

const [dir = '', exported = ''] = process.argv.slice(2);
execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', dir]);
const store = join(dir, 'store');
// A lock is a file that stays.
const filesOf = (root: string) => filesBelow(root).filter((line) => !line.includes('/hash-locks/'));
const filler = join(dir, 'filler');

for (let pages = 84, outcome = ''; outcome !== 'imported' && pages < 200; pages += 1) {
  await saveImage(storePaths(store), 'first');
  const before = filesOf(store);
  const { bavail, bsize } = statfsSync(dir);
  writeFileSync(filler, Buffer.alloc((bavail - pages) * bsize));
  try {
    await importSnapshots(store, exported);
    outcome = 'imported';
  } catch (error) {
    if (!(error instanceof RbmResumeError)) throw error;
    outcome = error.code;
  }
  const isUnchanged = JSON.stringify(filesOf(store)) === JSON.stringify(before);
  const snapshots = (await openStore(store).list()).length;
  process.stdout.write(`${JSON.stringify({ pages, outcome, isUnchanged, snapshots })}\n`);
  rmSync(store, { recursive: true });
  rmSync(filler);
}
