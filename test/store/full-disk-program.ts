/**
 * What the test of a full disk runs with a tmpfs of its own at DIR: saves a first image, leaves so many free pages, saves
 * a second one; again and again with one page more, until that works. Prints one line of JSON for each time.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { RbmResumeError } from '../../lib/errors.js';
import { collectGarbage } from '../../lib/store/gc.js';
import { storePaths } from '../../lib/store/paths.js';
import { linkOrCopy } from '../../lib/store/staging.js';
import { checkReferences, filesBelow, namesInIndex, saveImage } from './oci-images.js';

const [dir = '', outside = ''] = process.argv.slice(2);
execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', dir]);

const codeOf = async (work: () => Promise<unknown>): Promise<string> => {
  try {
    await work();
    return 'saved';
  } catch (error) {
    // The image's maker writes its files itself.
    if (!(error instanceof RbmResumeError)) return 'the writer failed';
    return `${error.code} ${String(error.fields.systemCode)}`;
  }
};

for (let pages = 0, outcome = ''; outcome !== 'saved' && pages < 60; pages += 1) {
  const paths = storePaths(join(dir, 'store'));
  await saveImage(paths, 'first');
  const before = filesBelow(paths.root);
  const filler = join(dir, 'filler');
  const { bavail, bsize } = statfsSync(dir);
  writeFileSync(filler, Buffer.alloc((bavail - pages) * bsize));
  outcome = await codeOf(() => saveImage(paths, 'second'));
  const after = filesBelow(paths.root);
  const names = namesInIndex(paths.root);
  const unreferenced = checkReferences(paths.root);
  // A disk that is full must not keep anybody from making room.
  const collected = await codeOf(() => collectGarbage(paths));
  const isUnchanged = JSON.stringify(after) === JSON.stringify(before);
  process.stdout.write(
    `${JSON.stringify({ pages, outcome, isUnchanged, names, unreferenced, collected })}\n`,
  );
  rmSync(paths.root, { recursive: true });
  rmSync(filler);
}

mkdirSync(join(dir, 'small'));
const taken = await linkOrCopy(outside, join(dir, 'small', 'base'));
const isThere = existsSync(join(dir, 'small', 'base'));
process.stdout.write(`${JSON.stringify({ taken, isThere })}\n`);
