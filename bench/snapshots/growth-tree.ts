import { mkdir, writeFile } from 'node:fs/promises';
import { writeFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { execInIdMap } from '../../lib/id-map.js';
import { writeListing } from '../../lib/rootfs/baseline.js';
import { saveBaseWithRestic } from './peers/restic.js';
import { removeFolder, type Workspace } from './workspace.js';

const FILES_IN_FOLDER = 100;
export const CHANGED_FILES = 1000;

/** Text of some 600 bytes that no other file has. */
const contentOf = (file: number, version: number): string =>
  Array.from({ length: 12 }, (_, line) =>
    `${version} ${file} ${(file * 7919 + line * 104729) % 1e9}`.padEnd(49, '.'),
  ).join('\n');

/** Makes a tree of so many files, with the image that it was extracted from, then changes the same number of files in each. */
export async function makeGrowthTree(work: Workspace, files: number): Promise<void> {
  await removeFolder(work.session, work.dir);
  await mkdir(work.tree, { recursive: true });
  await mkdir(work.scratch, { recursive: true });
  await mkdir(work.repositories, { recursive: true });
  const fileOf = (file: number) =>
    join(work.tree, `folder-${Math.floor(file / FILES_IN_FOLDER)}`, `file-${file}`);
  for (let file = 0; file < files; file += 1) {
    if (file % FILES_IN_FOLDER === 0) mkdirSync(join(fileOf(file), '..'));
    writeFileSync(fileOf(file), contentOf(file, 0));
  }
  // As in a container, the files have the very times that the image has.
  const script = 'set -euo pipefail; tar -C "$1" --format=posix -cf - . | zstd -q -f -o "$2"';
  await execInIdMap(['bash', '-c', script, 'bash', work.tree, work.image]);
  await writeListing(work.tree, work.baseline);
  await saveBaseWithRestic(work);
  const step = Math.floor(files / CHANGED_FILES);
  for (let change = 0; change < CHANGED_FILES; change += 1)
    await writeFile(fileOf(change * step), contentOf(change * step, 1));
}
