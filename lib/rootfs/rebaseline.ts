import { open, rename, rm } from 'node:fs/promises';
import { summarizeListing, writeListing, type ListingSummary } from './baseline.js';
import { hashRecords, readListing } from './scan.js';
import xxhash from 'xxhash-wasm';

/**
 * Carries a baseline over to a copy of its tree, in which every inode and ctime is another: an entry that was still as in
 * the baseline gets the record that it has in the copy; one that had changed has none, so it goes on counting as changed.
 * Both trees must stand still meanwhile. `baseline` is replaced.
 */
export async function rebaseline(
  baseline: string,
  trees: { readonly original: string; readonly copy: string },
): Promise<ListingSummary> {
  const listing = `${baseline}.listing`;
  try {
    const known = await hashRecords(baseline);
    const hasher = await xxhash();
    await writeListing(trees.original, listing);
    const unchanged = new Set<string>();
    for await (const entries of readListing(listing))
      for (const { path, record } of entries) if (known.has(hasher.h64Raw(record))) unchanged.add(path);
    await writeListing(trees.copy, listing);
    await keepOnly(listing, { to: `${baseline}.new`, paths: unchanged });
    await rename(`${baseline}.new`, baseline);
    return await summarizeListing(baseline);
  } finally {
    await rm(listing, { force: true });
    await rm(`${baseline}.new`, { force: true });
  }
}

async function keepOnly(
  listing: string,
  options: { readonly to: string; readonly paths: ReadonlySet<string> },
): Promise<void> {
  const handle = await open(options.to, 'w', 0o644);
  try {
    for await (const entries of readListing(listing)) {
      const kept = entries.filter(({ path }) => options.paths.has(path));
      await handle.writeFile(Buffer.concat(kept.map(({ record }) => record)));
    }
  } finally {
    await handle.close();
  }
}
