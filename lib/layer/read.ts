import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { parseDigest, type Digest } from '../digest.js';
import { exec } from '../exec.js';
import { decompressor, type Compression } from './compression.js';
import { TarReader, type TarReaderOptions } from './tar-reader.js';
import type { LayerProgress } from './write.js';

/** The uncompressed archive of a layer: its digest and its bytes. */
export interface LayerDiff {
  readonly diffId: Digest;
  readonly diffSize: number;
}

/**
 * Reads a layer through from the beginning of its file, and tells its diffId.
 * @throws RbmResumeError `BAD_LAYER`, `LAYER_TOO_BIG`, and `COMMAND_FAILED` where it can't be decompressed
 */
export async function readLayer(
  handle: FileHandle,
  compression: Compression,
  options: TarReaderOptions & {
    readonly onProgress?: ((progress: LayerProgress) => void) | undefined;
    /** Waited for before the next bytes are read. */
    readonly beforeChunk?: () => Promise<void>;
  },
): Promise<LayerDiff> {
  const hash = createHash('sha256');
  let [bytes, entries] = [0, 0];
  const reader = new TarReader({
    ...(options.limits === undefined ? {} : { limits: options.limits }),
    onMember: (member) => {
      entries += 1;
      return options.onMember(member);
    },
  });
  await exec(decompressor(compression), {
    stdinFrom: handle.fd,
    consume: async (stdout) => {
      const take = (chunk: Buffer) => {
        hash.update(chunk);
        reader.write(chunk);
        bytes += chunk.length;
        options.onProgress?.({ bytes, entries });
      };
      if (options.beforeChunk === undefined) return takeAll(stdout, take);
      for await (const chunk of stdout as AsyncIterable<Buffer>) {
        await options.beforeChunk();
        take(chunk);
      }
    },
  });
  reader.end();
  return { diffId: parseDigest(`sha256:${hash.digest('hex')}`), diffSize: bytes };
}

/** Hands on a stream as it comes. A loop of `for await` would take half as long again. */
const takeAll = (stream: Readable, take: (chunk: Buffer) => void): Promise<void> =>
  new Promise((resolve, reject) => {
    stream.on('data', (chunk: Buffer) => {
      try {
        take(chunk);
      } catch (error) {
        stream.pause();
        reject(error instanceof Error ? error : new Error(String(error)));
      }
    });
    stream.on('end', resolve);
    stream.on('error', reject);
  });
