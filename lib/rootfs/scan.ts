import { open } from 'node:fs/promises';
import xxhash from 'xxhash-wasm';
import { RbmResumeError } from '../errors.js';
import { fromBytes, type Entry } from './entry.js';

/** One record of a listing: see `LISTING_FORMAT` in baseline.ts. */
export interface ListedEntry extends Omit<Entry, 'link' | 'xattrs'> {
  /** Tells one file from another in this tree: device and inode. */
  readonly identity: string;
  /** How many names the file has, wherever they are. */
  readonly links: number;
  /** The whole record as bytes, ctime and inode included. */
  readonly record: Buffer;
}

/** Records of one chunk are in memory together: few enough to be garbage before V8 moves them among what lasts. */
const CHUNK_BYTES = 1 << 16;

/**
 * Reads a listing that find(1) wrote, many records at a time.
 * @throws RbmResumeError `BAD_LISTING`
 */
export async function* readListing(file: string): AsyncGenerator<ListedEntry[]> {
  const handle = await open(file, 'r');
  try {
    let rest: Buffer = Buffer.alloc(0);
    const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
    for (;;) {
      const { bytesRead } = await handle.read(chunk, 0, CHUNK_BYTES, null);
      if (bytesRead === 0) break;
      const data = Buffer.concat([rest, chunk.subarray(0, bytesRead)]);
      const entries: ListedEntry[] = [];
      let start = 0;
      for (;;) {
        const middle = data.indexOf(0, start);
        const end = middle === -1 ? -1 : data.indexOf(0, middle + 1);
        if (end === -1) break;
        entries.push(parseRecord(data.subarray(start, end + 1), { file, middle: middle - start }));
        start = end + 1;
      }
      yield entries;
      rest = data.subarray(start);
    }
    if (rest.length > 0) throw badListing(file, 'its last record is cut off');
  } finally {
    await handle.close();
  }
}

function parseRecord(record: Buffer, at: { readonly file: string; readonly middle: number }): ListedEntry {
  const tab = record.indexOf(9);
  const fields = fromBytes(record.subarray(0, Math.max(0, tab))).split(' ');
  const [type = '', mode, uid, gid, size, links, device, inode, mtime = ''] = fields;
  if (fields.length !== 10 || type.length !== 1 || !/^-?\d+\.\d{10}$/.test(mtime)) {
    throw badListing(at.file, `a record begins with ${JSON.stringify(fields.join(' ').slice(0, 80))}`);
  }
  return {
    path: fromBytes(record.subarray(tab + 1, at.middle)),
    meta: `${type} ${mode} ${uid} ${gid} ${type === 'f' ? size : '0'} ${mtime.slice(0, -1)}`,
    target: fromBytes(record.subarray(at.middle + 1, -1)),
    identity: `${device}:${inode}`,
    links: Number(links),
    record,
  };
}

const badListing = (file: string, what: string): RbmResumeError =>
  new RbmResumeError('BAD_LISTING', `cannot use the listing ${file}: ${what}`, { fields: { file } });

/** The XXH64 of every record of a listing: whether an entry is still the very same is whether its record is in here. */
export async function hashRecords(file: string): Promise<ReadonlySet<bigint>> {
  const hasher = await xxhash();
  const hashes = new Set<bigint>();
  for await (const batch of readListing(file))
    for (const { record } of batch) hashes.add(hasher.h64Raw(record));
  return hashes;
}

/** A listed tree with its hard links and extended attributes: what can be compared with another tree. */
export interface ScannedTree {
  /** The entries, in the order of the listing, many at a time; each call reads the file anew. */
  batches(): AsyncGenerator<(Entry & { readonly record: Buffer })[]>;
  /** The paths of each file that has several, sorted, by the first of them. */
  readonly hardLinks: ReadonlyMap<string, readonly string[]>;
}

/** Puts a listing and the tree's extended attributes together; holds only what is hard-linked in memory. */
export async function openScan(file: string, xattrs: ReadonlyMap<string, string>): Promise<ScannedTree> {
  const byIdentity = new Map<string, string[]>();
  for await (const batch of readListing(file)) {
    for (const { path, meta, links, identity } of batch) {
      if (links < 2 || meta.startsWith('d')) continue;
      const paths = byIdentity.get(identity);
      if (paths === undefined) byIdentity.set(identity, [path]);
      else paths.push(path);
    }
  }
  const hardLinks = new Map<string, readonly string[]>();
  const firstOf = new Map<string, string>();
  for (const paths of byIdentity.values()) {
    if (paths.length < 2) continue;
    paths.sort();
    const [first = ''] = paths;
    hardLinks.set(first, paths);
    for (const path of paths) firstOf.set(path, first);
  }
  return {
    hardLinks,
    batches: async function* () {
      for await (const batch of readListing(file)) {
        yield batch.map(({ path, meta, target, record }) => ({
          path,
          meta,
          target,
          link: firstOf.get(path) ?? '',
          xattrs: xattrs.get(path) ?? '',
          record,
        }));
      }
    },
  };
}
