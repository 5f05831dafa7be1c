import { fromBytes } from '../rootfs/entry.js';
import { badLayer } from './bad-layer.js';

export const BLOCK_BYTES = 512;

const ZERO_BLOCK = Buffer.alloc(BLOCK_BYTES);
export const isZeroBlock = (block: Buffer): boolean => block[0] === 0 && block.equals(ZERO_BLOCK);

/** A header block whose checksum is right. Numbers are read with {@link readNumber}, where nothing overrides them. */
export interface TarHeader {
  /** The byte that tells the type, as a character. */
  readonly typeFlag: string;
  readonly format: 'posix' | 'gnu' | 'v7';
  /** Byte strings; the name with its prefix. */
  readonly name: string;
  readonly linkName: string;
  readonly block: Buffer;
}

/** Where a number lies in a header block: offset and length in bytes. Source: tar(5), ustar and old GNU. */
export const FIELD = {
  mode: [100, 8],
  uid: [108, 8],
  gid: [116, 8],
  size: [124, 12],
  mtime: [136, 12],
  devMajor: [329, 8],
  devMinor: [337, 8],
  realSize: [483, 12],
} as const satisfies Record<string, readonly [number, number]>;

/**
 * Reads a header block. The `Header` of node-tar is not exact enough for it: it takes `12x` for the number 12,
 * gives no device numbers of GNU archives, and replaces names that are not UTF-8.
 * @throws RbmResumeError `BAD_LAYER` for a wrong checksum, or a format that programs read in different ways
 */
export function decodeHeader(block: Buffer): TarHeader {
  const stored = CHECKSUM.exec(block.toString('latin1', 148, 156));
  if (stored === null || Number.parseInt(stored[0], 8) !== sumOf(block)) {
    throw badLayer('the checksum of its header is wrong');
  }
  const format = FORMATS[block.toString('latin1', 257, 265)];
  const typeFlag = block.toString('latin1', 156, 157);
  if (format === undefined || !isUnusedEmpty(block, format, typeFlag)) {
    throw badLayer('its header is of an unknown format');
  }
  const isGnu = format === 'gnu';
  for (const field of isGnu ? GNU_NUMBERS : NUMBERS) if (!isBlank(block, field)) readNumber(block, field);
  const name = textOf(block, [0, 100]);
  const prefix = format === 'posix' ? textOf(block, [345, 155]) : '';
  return {
    typeFlag,
    format,
    name: prefix === '' ? name : `${prefix}/${name}`,
    linkName: textOf(block, [157, 100]),
    block,
  };
}

const FORMATS: Readonly<Record<string, TarHeader['format']>> = {
  'ustar\x0000': 'posix',
  'ustar  \0': 'gnu',
  '\0\0\0\0\0\0\0\0': 'v7',
};

/**
 * Whether what a format does not use is empty: star has times and a mark there, GNU tar has numbers of other volumes and the
 * map of a sparse file. Programs differ in what they look for.
 */
function isUnusedEmpty(block: Buffer, format: TarHeader['format'], typeFlag: string): boolean {
  // GNU tar writes numbers of devices into v7 headers, too.
  if (format === 'v7') return isEmpty(block, 257, 329) && isEmpty(block, 345, BLOCK_BYTES);
  if (format === 'posix') return isEmpty(block, 500, BLOCK_BYTES);
  const isSparse = typeFlag === 'S';
  return isEmpty(block, 369, isSparse ? 386 : 495) && isEmpty(block, 495, BLOCK_BYTES);
}

/**
 * Numbers that stand in every header, read or not: libarchive does not take for an archive what begins with others, and
 * GNU tar reads the two times that only its own format has.
 */
const NUMBERS: readonly (readonly [number, number])[] = [
  FIELD.mode,
  FIELD.uid,
  FIELD.gid,
  FIELD.size,
  FIELD.mtime,
  FIELD.devMajor,
  FIELD.devMinor,
];
const GNU_NUMBERS: typeof NUMBERS = [...NUMBERS, [345, 12], [357, 12]];

const isBlank = (block: Buffer, [at, length]: readonly [number, number]): boolean =>
  block[at] === 0 && isEmpty(block, at, at + length);

const isEmpty = (block: Buffer, from: number, to: number): boolean =>
  block.subarray(from, to).equals(ZERO_BLOCK.subarray(from, to));

/** As POSIX, GNU tar, libarchive, Go and node-tar write it. Looser forms would let a flipped bit pass. */

const CHECKSUM = /^(?:[0-7]{6}(?:\u0000 | \u0000)|[0-7]{7}\u0000)$/;

/** The sum of all bytes, with the checksum itself as eight spaces. */
function sumOf(block: Buffer): number {
  let sum = 8 * 0x20;
  for (let at = 0; at < 148; at += 1) sum += block[at] as number;
  for (let at = 156; at < BLOCK_BYTES; at += 1) sum += block[at] as number;
  return sum;
}

function textOf(block: Buffer, [at, length]: readonly [number, number]): string {
  const text = fromBytes(block.subarray(at, at + length));
  const end = text.indexOf('\0');
  return end === -1 ? text : text.slice(0, end);
}

/**
 * Reads a number of a block: octal digits between spaces and NULs, or base-256 (GNU), which may be negative.
 * @throws RbmResumeError `BAD_LAYER` when it is neither, or beyond what a number holds exactly
 */
export function readNumber(block: Buffer, [at, length]: readonly [number, number]): number {
  const first = block[at] as number;
  if ((first & 0x80) !== 0) return readBase256(block.subarray(at, at + length));
  let from = at;
  const end = at + length;
  while (from < end && block[from] === 0x20) from += 1;
  let value = 0;
  let to = from;
  for (; to < end; to += 1) {
    const digit = (block[to] as number) - 0x30;
    if (digit < 0 || digit > 7) break;
    value = value * 8 + digit;
  }
  for (let rest = to; rest < end; rest += 1) {
    if (block[rest] !== 0 && block[rest] !== 0x20) throw badNumber();
  }
  if (to === from) throw badNumber();
  return value;
}

function readBase256(bytes: Buffer): number {
  const isNegative = bytes[0] === 0xff;
  if (!isNegative && bytes[0] !== 0x80) throw badNumber();
  let value = 0;
  for (let at = 1; at < bytes.length; at += 1) {
    const byte = bytes[at] as number;
    value = value * 256 + (isNegative ? 255 - byte : byte);
    if (value >= Number.MAX_SAFE_INTEGER) throw badNumber();
  }
  return isNegative ? -value - 1 : value;
}

const badNumber = () => badLayer('a number in its header is malformed or out of range');
