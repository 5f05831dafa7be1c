import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { parseDigest, type Digest } from '../digest.js';
import { RbmResumeError } from '../errors.js';
import { exec } from '../exec.js';
import { badLayer, layerTooBig } from './bad-layer.js';
import { decompressor, type Compression } from './compression.js';
import { mostUnpacked } from './tar-limits.js';
import { TarReader, type TarReaderOptions } from './tar-reader.js';
import type { LayerProgress } from './write.js';

/** The uncompressed archive of a layer: its digest and its bytes. */
export interface LayerDiff {
  readonly diffId: Digest;
  readonly diffSize: number;
}

/**
 * Reads a layer through from the beginning of its file, and tells its diffId.
 * @throws RbmResumeError `BAD_LAYER` also where it can't be decompressed, `LAYER_TOO_BIG`, and `COMMAND_FAILED` where the
 *   decompressor was killed or got no memory
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
  const unpack = decompressor(compression);
  const most = mostUnpacked((await handle.stat()).size, options.limits);
  await exec(unpack, {
    stdinFrom: handle.fd,
    consume: async (stdout) => {
      const take = (chunk: Buffer) => {
        hash.update(chunk);
        reader.write(chunk);
        bytes += chunk.length;
        if (bytes > most) throw layerTooBig(`the layer unpacks to more than ${most} bytes`);
        options.onProgress?.({ bytes, entries });
      };
      if (options.beforeChunk === undefined) return takeAll(stdout, take);
      for await (const chunk of stdout as AsyncIterable<Buffer>) {
        await options.beforeChunk();
        take(chunk);
      }
    },
  }).catch((error: unknown) => {
    throw unpackingFailed(error, { program: unpack[0], bytes });
  });
  reader.end();
  return { diffId: parseDigest(`sha256:${hash.digest('hex')}`), diffSize: bytes };
}

const NO_MEMORY = /not enough memory|cannot allocate|memory usage limit/i;

/**
 * What a decompressor refuses is damaged, or no such stream. One that was killed or got no memory says nothing about the
 * layer.
 */
function unpackingFailed(error: unknown, at: { readonly program: string; readonly bytes: number }): unknown {
  const isRefusal = error instanceof RbmResumeError && error.code === 'COMMAND_FAILED';
  if (!isRefusal || !/^exit status/.test(String(error.fields['end'])) || NO_MEMORY.test(error.message)) {
    return error;
  }
  const said = error.message.split('\n').slice(1).join(' ');
  return badLayer(
    `the layer can't be unpacked with ${at.program} beyond byte ${at.bytes} of its archive: ${said}`,
    error,
  );
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
