import { fromBytes } from '../rootfs/entry.js';
import { badLayer, layerTooBig } from './bad-layer.js';
import { take, type Parser } from './byte-feed.js';
import { parsePaxNumber } from './pax.js';
import { BLOCK_BYTES, FIELD, readNumber } from './tar-header.js';

/** A sparse file: its real size, and where its pieces of data lie, as offset and length after each other. */
export interface SparseMap {
  readonly realSize: number;
  readonly numbers: readonly number[];
}

/** The pax records of a sparse file (`GNU.sparse.` left out of the key), in the order in which they came. */
export type SparseRecords = readonly (readonly [key: string, value: string])[];

/** Where the map of a sparse file is said to be: in the pax records (0.0 and 0.1), or in front of its data (1.0). */
export interface SparseRecord {
  readonly name: string | null;
  readonly realSize: number;
  readonly numbers: readonly number[] | null;
}

/** Of the formats 0.0 and 0.1. What else GNU tar knows (`GNU.volume.label`) makes it see another member. */
const KEYS_IN_RECORDS: ReadonlySet<string> = new Set(['major', 'minor', 'name', 'size', 'numblocks', 'map']);

/**
 * Reads what pax records say of a sparse file. Source: the manual of GNU tar, "Storing Sparse Files".
 * @throws RbmResumeError `BAD_LAYER` for records that don't make one of the three formats
 */
export function readSparseRecords(records: SparseRecords, most: number): SparseRecord {
  const single = new Map<string, string>();
  const pairs: number[] = [];
  for (const [key, value] of records) {
    const wanted = { offset: 0, numbytes: 1 }[key];
    // GNU tar makes room for as many pieces, and takes none before it knows how many.
    if ((wanted !== undefined || key === 'map') && !single.has('numblocks')) throw malformed();
    if (wanted === undefined) single.set(key, value);
    else if (pairs.length % 2 !== wanted) throw malformed();
    else pairs.push(parsePaxNumber(value));
    if (pairs.length > 2 * most) throw tooManyRegions(pairs.length / 2);
  }
  const version = `${single.get('major') ?? '0'}.${single.get('minor') ?? '?'}`;
  const name = single.get('name') ?? null;
  const isInData = version === '1.0';
  const has = (...keys: readonly string[]) => keys.every((key) => single.has(key));
  if (isInData && has('name', 'realsize') && single.size === 4 && pairs.length === 0) {
    return { name, realSize: parsePaxNumber(single.get('realsize') ?? ''), numbers: null };
  }
  const isKnown = [...single.keys()].every((key) => KEYS_IN_RECORDS.has(key));
  const isInRecords = isKnown && /^0\.[01?]$/.test(version) && has('size', 'numblocks');
  const map = single.get('map');
  if (!isInRecords || (map !== undefined && pairs.length > 0)) throw malformed();
  const numbers =
    map === undefined || map === '' ? pairs : map.split(',').map((text) => parsePaxNumber(text));
  const count = single.get('numblocks');
  if (count !== undefined && parsePaxNumber(count) * 2 !== numbers.length) throw malformed();
  return { name, realSize: parsePaxNumber(single.get('size') ?? ''), numbers };
}

/**
 * Reads the map in front of the data of a sparse file (GNU sparse 1.0): decimal numbers, each with a newline, the count
 * first, filled up with NULs to a whole block.
 * @param stored the bytes of map and data
 */
export function* readMapInData(stored: number, most: number): Parser<number[]> {
  const numbers: number[] = [];
  let wanted = 1;
  let rest = '';
  for (let used = BLOCK_BYTES; numbers.length < wanted; used += BLOCK_BYTES) {
    if (used > stored) throw malformed();
    const lines = (rest + fromBytes(yield* take(BLOCK_BYTES))).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      if (numbers.length === wanted) throw malformed();
      numbers.push(parseMapNumber(line));
      if (numbers.length === 1) wanted = 1 + 2 * (numbers[0] as number);
      if (wanted > 1 + 2 * most) throw tooManyRegions(numbers[0] as number);
    }
    if (numbers.length < wanted && rest.length > 16) throw malformed();
  }

  if (!/^\u0000*$/.test(rest)) throw malformed();
  return numbers.slice(1);
}

function parseMapNumber(text: string): number {
  try {
    return parsePaxNumber(text);
  } catch {
    throw malformed();
  }
}

/** The bytes that {@link readMapInData} has taken for such a map. */
export function bytesOfMap(numbers: readonly number[]): number {
  let bytes = String(numbers.length / 2).length + 1;
  for (const number of numbers) bytes += String(number).length + 1;
  return Math.ceil(bytes / BLOCK_BYTES) * BLOCK_BYTES;
}

/** Reads the map in an old GNU header of type `S`, and in the blocks that follow it. */
export function* readGnuMap(header: Buffer, most: number): Parser<SparseMap> {
  const numbers: number[] = [];
  const realSize = readNumber(header, FIELD.realSize);
  let isLast = addGnuRegions(numbers, header, { at: 386, count: 4, more: 482 });
  while (!isLast) {
    if (numbers.length / 2 > most) throw tooManyRegions(numbers.length / 2);
    isLast = addGnuRegions(numbers, yield* take(BLOCK_BYTES), { at: 0, count: 21, more: 504 });
  }
  return { realSize, numbers };
}

/** Adds the regions of one block, up to the first that is empty; tells whether no block follows. */
function addGnuRegions(
  numbers: number[],
  block: Buffer,
  table: { readonly at: number; readonly count: number; readonly more: number },
): boolean {
  const end = table.at + table.count * 24;
  let at = table.at;
  for (; at < end && block[at + 12] !== 0; at += 24) {
    numbers.push(readNumber(block, [at, 12]), readNumber(block, [at + 12, 12]));
  }
  const [more, unused] = [block[table.more] ?? 0, block.subarray(at, table.more)];
  const isLast = more === 0;
  if (more > 1 || (!isLast && at < end) || unused.some((byte) => byte !== 0)) throw malformed();
  return isLast;
}

/**
 * Checks that the pieces of a sparse file follow each other, lie within it, and have as many bytes as are stored. A piece
 * that ends within a block may only be the last one: what follows another is read in different ways.
 */
export function checkSparseMap({ realSize, numbers }: SparseMap, stored: number): void {
  if (numbers.length % 2 !== 0 || realSize < 0) throw malformed();
  let end = 0;
  let sum = 0;
  for (let at = 0; at < numbers.length; at += 2) {
    const [offset, length] = [numbers[at] as number, numbers[at + 1] as number];
    if (offset < end || length < 0 || offset + length > realSize) throw malformed();
    if (length > 0 && sum % BLOCK_BYTES !== 0) throw malformed();
    // libarchive begins the map of a file that is all hole with an empty piece at 0.
    if (length === 0 && offset !== realSize && at > 0) throw malformed();
    end = offset + length;
    sum += length;
  }
  // GNU tar makes a file only as long as its last piece says, which is an empty one where the file ends with a hole.
  if (sum !== stored || end !== realSize) throw malformed();
}

const malformed = () => badLayer('the map of a sparse file is malformed');
const tooManyRegions = (count: number) => layerTooBig(`a sparse file has ${count} pieces`);
