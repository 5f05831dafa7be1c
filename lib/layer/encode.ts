import { Header } from 'tar/header';
import { sizeOf, toBytes, typeOf, type Entry } from '../rootfs/entry.js';
import { encodePaxRecord } from './pax.js';
import { BLOCK_BYTES } from './tar-header.js';

/** What a header of 512 bytes says beside name, type and size; 0 where nothing is said. */
interface Ownership {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/** A tar header as one block of 512 bytes. The name must be short ASCII, the numbers must fit. */
export function encodeHeader(
  path: string,
  type: 'File' | 'ExtendedHeader',
  of: number | (Ownership & { readonly size: number }),
): Buffer {
  const block = Buffer.alloc(BLOCK_BYTES);
  const { size, mode, uid, gid } = typeof of === 'number' ? { size: of, mode: 0, uid: 0, gid: 0 } : of;
  const none = { uname: '', gname: '', devmaj: 0, devmin: 0, mtime: new Date(0) };
  const header = new Header({ path, size, mode, uid, gid, ...none });
  header.type = type;
  if (header.encode(block)) throw new Error('a number or a name does not fit into a tar header');
  return block;
}

/** A pax header for the member that follows. */
export function encodePax(records: readonly (readonly [key: string, value: Buffer])[]): Buffer {
  const data = Buffer.concat(records.map(([key, value]) => encodePaxRecord(key, value)));
  return Buffer.concat([
    encodeHeader('PaxHeaders/member', 'ExtendedHeader', data.length),
    data,
    Buffer.alloc(paddingOf(data.length)),
  ]);
}

const paddingOf = (size: number): number => (BLOCK_BYTES - (size % BLOCK_BYTES)) % BLOCK_BYTES;

const LARGEST_ID = 0o7777777;
const LARGEST_SIZE = 0o77777777777;

/** Whether {@link encodeFile} can say all that there is to say of a file. */
export const isPlainFile = (entry: Entry): boolean => {
  const [, , uid, gid, size, mtime = '-'] = entry.meta.split(' ');
  return (
    typeOf(entry) === 'f' &&
    entry.link === '' &&
    entry.xattrs === '' &&
    !mtime.startsWith('-') &&
    Number(uid) <= LARGEST_ID &&
    Number(gid) <= LARGEST_ID &&
    Number(size) <= LARGEST_SIZE
  );
};

/** What stands before and after the content of a plain file in a tar archive that holds nothing else. */
export function encodeFile(entry: Pick<Entry, 'path' | 'meta'>): {
  readonly head: Buffer;
  readonly tail: Buffer;
} {
  const [, mode = '0', uid, gid, , mtime = '0'] = entry.meta.split(' ');
  const size = sizeOf(entry);
  const ownership = { mode: Number.parseInt(mode, 8), uid: Number(uid), gid: Number(gid), size };
  return {
    head: Buffer.concat([
      encodePax([
        ['path', toBytes(entry.path)],
        ['mtime', toBytes(mtime)],
      ]),
      encodeHeader('member', 'File', ownership),
    ]),
    tail: Buffer.alloc(paddingOf(size) + 2 * BLOCK_BYTES),
  };
}
