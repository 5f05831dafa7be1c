import type { TarMember } from '../../lib/layer/tar-member.js';
import { TarReader } from '../../lib/layer/tar-reader.js';
import type { TarLimits } from '../../lib/layer/tar-limits.js';

/** The fields of a header block, as they are written into it: text as byte strings. */
export interface Fields {
  readonly name?: string;
  readonly type?: string;
  readonly linkName?: string;
  readonly mode?: string;
  readonly uid?: string;
  readonly gid?: string;
  /** Octal digits or raw bytes. @default the length of the data */
  readonly size?: string;
  readonly mtime?: string;
  readonly magic?: string;
  readonly devMajor?: string;
  readonly devMinor?: string;
  readonly prefix?: string;
  /** Written at an offset, over everything else. */
  readonly raw?: readonly (readonly [number, string])[];
}

/** A header block with a right checksum. */
export function header(fields: Fields, dataBytes = 0): Buffer {
  const block = Buffer.alloc(512);
  const put = (at: number, text: string) => block.write(text, at, 'latin1');
  put(0, fields.name ?? 'file');
  put(100, fields.mode ?? '0000644\0');
  put(108, fields.uid ?? '0000000\0');
  put(116, fields.gid ?? '0000000\0');
  put(124, fields.size ?? dataBytes.toString(8).padStart(11, '0') + '\0');
  put(136, fields.mtime ?? '00000000000\0');
  put(156, fields.type ?? '0');
  put(157, fields.linkName ?? '');
  put(257, fields.magic ?? 'ustar\x0000');
  put(329, fields.devMajor ?? '0000000\0');
  put(337, fields.devMinor ?? '0000000\0');
  put(345, fields.prefix ?? '');
  for (const [at, text] of fields.raw ?? []) put(at, text);
  return seal(block);
}

/** Puts the checksum of a block right. */
export function seal(block: Buffer): Buffer {
  block.fill(' ', 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}

/** A member with its data, filled up to whole blocks. */
export function member(fields: Fields, data: string | Buffer = ''): Buffer {
  const bytes = typeof data === 'string' ? Buffer.from(data, 'latin1') : data;
  const padding = Buffer.alloc((512 - (bytes.length % 512)) % 512);
  return Buffer.concat([header(fields, bytes.length), bytes, padding]);
}

/** A pax header of the type `x` or `g`. */
export const pax = (records: readonly (readonly [string, string])[], type = 'x'): Buffer =>
  member({ type, name: 'PaxHeaders/x' }, records.map(([key, value]) => paxRecord(key, value)).join(''));

export function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) length += 1;
  return `${length}${rest}`;
}

export const END = Buffer.alloc(1024);
export const archive = (...parts: readonly Buffer[]): Buffer => Buffer.concat([...parts, END]);

/** A member with the data that its sink got, at their places in a file of its size. */
export type ReadMember = TarMember & { readonly content?: string };

export interface ReadOptions {
  readonly chunkBytes?: number;
  readonly limits?: TarLimits;
  readonly hasContent?: boolean;
}

/** Reads an archive in chunks of a size. */
export function readAll(bytes: Buffer, options: ReadOptions = {}): ReadMember[] {
  const found: { readonly member: TarMember; readonly content: Buffer | null }[] = [];
  const reader = new TarReader({
    ...(options.limits === undefined ? {} : { limits: options.limits }),
    onMember: (one) => {
      const isWanted = options.hasContent === true && one.type === 'f';
      const content = isWanted ? Buffer.alloc(Number(one.meta.split(' ')[4])) : null;
      found.push({ member: one, content });
      if (content !== null) return (chunk, offset) => void chunk.copy(content, offset);
    },
  });
  const step = options.chunkBytes ?? bytes.length;
  for (let at = 0; at < bytes.length; at += step) reader.write(bytes.subarray(at, at + step));
  reader.end();
  return found.map(({ member: one, content }) =>
    content === null ? one : { ...one, content: content.toString('latin1') },
  );
}
