import { writeFile } from 'node:fs/promises';
import { readListing } from '../../lib/rootfs/scan.js';

/** What differs between two listings: paths to take from the newer tree, and those that are gone. */
export interface Difference {
  readonly changed: readonly string[];
  readonly removed: readonly string[];
}

/** Compares two listings as `writeListing` makes them. Paths hold one byte a character. */
export async function compareListings(before: string, after: string): Promise<Difference> {
  const [old, now] = [await recordsOf(before), await recordsOf(after)];
  const changed = [...now].filter(([path, record]) => path !== '' && old.get(path) !== record);
  const removed = [...old.keys()].filter((path) => !now.has(path));
  return { changed: changed.map(([path]) => path), removed };
}

/** Writes paths as tar and xargs take them: each begins with `./` and ends with a NUL. */
export const writePaths = (file: string, paths: readonly string[]): Promise<void> =>
  writeFile(file, paths.map((path) => `./${path}\0`).join(''), 'latin1');

async function recordsOf(file: string): Promise<Map<string, string>> {
  const records = new Map<string, string>();
  for await (const batch of readListing(file))
    for (const { path, record } of batch) records.set(path, record.toString('latin1'));
  return records;
}
