import type { FileHandle } from 'node:fs/promises';
import { RbmResumeError } from '../errors.js';

/** How a layer or a base tarball is compressed. */
export type Compression = 'none' | 'gzip' | 'zstd' | 'xz';

const MAGIC: readonly (readonly [Compression, number, Buffer])[] = [
  ['zstd', 0, Buffer.from('28b52ffd', 'hex')],
  ['gzip', 0, Buffer.from('1f8b', 'hex')],
  ['xz', 0, Buffer.from('fd377a585a00', 'hex')],
  ['none', 257, Buffer.from('ustar')],
];

/**
 * Tells by its first bytes how a tarball is compressed. Source: RFC 8878 3.1.1, RFC 1952 2.3.1, the xz file format 2.1.1.1,
 * pax(1) "ustar Interchange Format".
 * @throws RbmResumeError `BAD_LAYER` when it is none of those that are known
 */
export async function detectCompression(handle: FileHandle, name: string): Promise<Compression> {
  const head = Buffer.alloc(512);
  await handle.read(head, 0, head.length, 0);
  const found = MAGIC.find(([, at, magic]) => head.subarray(at, at + magic.length).equals(magic));
  if (found !== undefined) return found[0];
  throw new RbmResumeError('BAD_LAYER', `${name} is no tar archive, plain or packed with gzip, xz or zstd`, {
    hint: 'rbm takes such archives as container images; make it one of these.',
  });
}

/** The program that reads a compressed stream on standard input and writes it plain. */
export const decompressor = (compression: Compression): readonly [string, ...string[]] =>
  ({
    none: ['cat'] as const,
    gzip: ['gzip', '-dc'] as const,
    xz: ['xz', '-dc'] as const,
    // The frames of base images that were made with --long need more memory than the default allows.
    zstd: ['zstd', '-dcq', '--long=31'] as const,
  })[compression];

/** The program that compresses standard input: checksummed zstd frames on all processors, or gzip without a time. */
export const compressor = (compression: 'gzip' | 'zstd'): readonly [string, ...string[]] =>
  compression === 'zstd' ? ['zstd', '-cq', '-3', '-T0', '--check'] : ['gzip', '-cn', '-6'];
