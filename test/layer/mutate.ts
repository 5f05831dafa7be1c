import { fromBytes, toBytes } from '../../lib/rootfs/entry.js';
import type { Mutation } from './mutations.js';
import { paxRecord, seal } from './tar-bytes.js';

/** A header block with the blocks of its data. */
type Piece = Buffer;

/** Offset and length of what a header block has. */
const FIELDS: readonly (readonly [number, number])[] = [
  ...([
    [0, 100],
    [100, 8],
    [108, 8],
    [116, 8],
    [124, 12],
    [136, 12],
    [156, 1],
    [157, 100],
  ] as const),
  ...([
    [257, 8],
    [265, 32],
    [329, 8],
    [337, 8],
    [345, 155],
    [386, 12],
    [398, 12],
    [482, 1],
    [483, 12],
  ] as const),
];

/** Divides a sound archive before its end into pieces. */
export function piecesOf(bytes: Buffer): Piece[] {
  const pieces: Piece[] = [];
  for (let at = 0; at + 512 <= bytes.length && bytes[at] !== 0;) {
    const stored = Number.parseInt(bytes.toString('latin1', at + 124, at + 136), 8);
    const extensions = bytes[at + 156] === 0x53 ? extensionBlocks(bytes, at) : 0;
    const end = at + 512 + extensions * 512 + Math.ceil((Number.isNaN(stored) ? 0 : stored) / 512) * 512;
    pieces.push(bytes.subarray(at, end));
    at = end;
  }
  return pieces;
}

function extensionBlocks(bytes: Buffer, header: number): number {
  let count = 0;
  for (let more = bytes[header + 482]; more === 1; count += 1) more = bytes[header + 512 * (count + 1) + 504];
  return count;
}

/** An archive after some mutations; `others` is what pieces are taken from. */
export function mutate(bytes: Buffer, mutations: readonly Mutation[], others: readonly Buffer[]): Buffer {
  let pieces = piecesOf(bytes);
  let isCut = 0;
  for (const one of mutations) {
    if (one.kind === 'cut') isCut = one.at;
    else pieces = applyTo(pieces, one, others);
  }
  const whole = Buffer.concat([...pieces, Buffer.alloc(1024)]);
  return isCut === 0 ? whole : whole.subarray(0, isCut % whole.length);
}

function applyTo(
  pieces: Piece[],
  one: Exclude<Mutation, { kind: 'cut' }>,
  others: readonly Buffer[],
): Piece[] {
  const count = Math.max(1, pieces.length);
  const edit = (at: number, change: (piece: Buffer) => Buffer): Piece[] =>
    pieces.map((piece, number) =>
      number === at % count && piece.length >= 512 ? change(Buffer.from(piece)) : piece,
    );
  switch (one.kind) {
    case 'field':
      return edit(one.at, (piece) => editField(piece, one));
    case 'byte':
      return edit(one.at, (piece) => {
        piece[one.offset] = one.value;
        return resealed(piece);
      });
    case 'flip': {
      const at = one.at % count;
      return edit(at, (piece) => {
        const byte = one.at % piece.length;
        piece[byte] = (piece[byte] ?? 0) ^ (1 << one.bit);
        return piece;
      });
    }
    case 'drop':
      return pieces.filter((_, number) => number !== one.at % count);
    case 'pax':
      return editNth(pieces, one.at, isPax, (piece) => editPax(piece, one));
    case 'map':
      return editNth(pieces, one.at, hasMap, (piece) => editMap(piece, one));
    case 'zeros': {
      const at = one.at % (pieces.length + 1);
      return [...pieces.slice(0, at), Buffer.alloc(one.bytes), ...pieces.slice(at)];
    }
    case 'splice': {
      const other = piecesOf(others[one.other % others.length] ?? Buffer.alloc(0));
      return [...pieces.slice(0, one.from % (count + 1)), ...other.slice(one.to % (other.length + 1))];
    }
    case 'move':
    case 'copy':
    case 'swap':
      return rearrange(pieces, one);
  }
}

const resealed = (piece: Buffer): Buffer => {
  seal(piece.subarray(0, 512));
  return piece;
};

function editField(piece: Buffer, one: Extract<Mutation, { kind: 'field' }>): Buffer {
  const [at, length] = FIELDS[one.field % FIELDS.length] ?? [0, 1];
  piece.fill(0, at, at + length);
  piece.write(one.value.slice(0, length), at, 'latin1');
  return resealed(piece);
}

function rearrange(
  pieces: Piece[],
  one: Extract<Mutation, { from: number; to: number; kind: 'move' | 'copy' | 'swap' }>,
): Piece[] {
  const [from, to] = [one.from % Math.max(1, pieces.length), one.to % Math.max(1, pieces.length)];
  const [a, b] = [pieces[from], pieces[to]];
  if (a === undefined || b === undefined) return pieces;
  if (one.kind === 'swap') return pieces.map((piece, at) => (at === from ? b : at === to ? a : piece));
  const rest = one.kind === 'move' ? pieces.filter((_, at) => at !== from) : pieces;
  return [...rest.slice(0, to), a, ...rest.slice(to)];
}

const isPax = (piece: Piece): boolean => piece[156] === 0x78 || piece[156] === 0x67;
/** A sparse file in the format 1.0 has its map in front of its data. */
const hasMap = (piece: Piece): boolean =>
  piece.length > 512 && /^\d+\n/.test(piece.toString('latin1', 512, 530));

function editNth(
  pieces: Piece[],
  nth: number,
  is: (piece: Piece) => boolean,
  change: (piece: Piece) => Piece,
): Piece[] {
  const places = pieces.flatMap((piece, at) => (is(piece) ? [at] : []));
  const chosen = places[nth % Math.max(1, places.length)];
  return pieces.map((piece, at) => (at === chosen ? change(piece) : piece));
}

function editPax(piece: Piece, one: Extract<Mutation, { kind: 'pax' }>): Piece {
  const size = Number.parseInt(piece.toString('latin1', 124, 136), 8);
  const records: (readonly [string, string])[] = [];
  const text = fromBytes(piece.subarray(512, 512 + size));
  for (let at = 0; at < text.length;) {
    const length = Number.parseInt(text.slice(at), 10);
    if (!(length > 0)) return piece;
    const record = text.slice(text.indexOf(' ', at) + 1, at + length - 1);
    records.push([record.slice(0, record.indexOf('=')), record.slice(record.indexOf('=') + 1)]);
    at += length;
  }
  const at = one.record % Math.max(1, records.length);
  const [key, before] = records[at] ?? ['path', 'a'];
  const { edit } = one;
  if (edit.how === 'drop') records.splice(at, 1);
  else if (edit.how === 'repeat') records.push([key, before]);
  else if (edit.how === 'add') records.push([edit.key, edit.value]);
  else if (edit.how === 'key') records[at] = [edit.key, before];
  else if (edit.how === 'value') records[at] = [key, edit.value];
  return withData(piece, toBytes(records.map(([name, content]) => paxRecord(name, content)).join('')));
}

function editMap(piece: Piece, one: Extract<Mutation, { kind: 'map' }>): Piece {
  const end = piece.indexOf(0, 512);
  const blocks = Math.ceil((end - 512) / 512) * 512;
  const numbers = piece.toString('latin1', 512, end).split('\n');
  numbers[one.number % numbers.length] = one.value;
  const map = toBytes(numbers.join('\n'));
  const padded = Buffer.concat([map, Buffer.alloc((512 - (map.length % 512)) % 512)]);
  const size = Number.parseInt(piece.toString('latin1', 124, 136), 8);
  return withData(piece, Buffer.concat([padded, piece.subarray(512 + blocks, 512 + size)]));
}

/** The same header with other data, and its size. */
function withData(piece: Piece, data: Buffer): Piece {
  const header = Buffer.from(piece.subarray(0, 512));
  header.write(`${data.length.toString(8).padStart(11, '0')}\0`, 124, 'latin1');
  return Buffer.concat([seal(header), data, Buffer.alloc((512 - (data.length % 512)) % 512)]);
}
