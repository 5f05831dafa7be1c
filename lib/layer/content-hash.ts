import { createHash } from 'node:crypto';
import type { Sink } from './byte-feed.js';

const BLOCK_BYTES = 4096;
const ZEROS = Buffer.alloc(BLOCK_BYTES);

/** Takes the data of one member of an archive and tells its content from another. */
export interface ContentHash {
  readonly sink: Sink;
  /** To be called once, after the last piece. */
  digest(): string;
}

/**
 * A hash of the content of a file that is the same however its zeros are stored: as holes, or written out. A hole costs
 * nothing, however large it is. Two files of equal size have equal content when their hashes are equal.
 */
export function hashContent(): ContentHash {
  const hash = createHash('sha256');
  const block = Buffer.alloc(BLOCK_BYTES);
  const place = Buffer.alloc(8);
  let [number, filled] = [-1, false];
  const flush = () => {
    if (filled && !block.equals(ZEROS)) {
      place.writeBigUInt64LE(BigInt(number));
      hash.update(place).update(block);
    }
    block.fill(0);
    filled = false;
  };
  return {
    sink: (chunk, offset) => {
      for (let at = 0; at < chunk.length;) {
        const here = offset + at;
        if (Math.floor(here / BLOCK_BYTES) !== number) {
          flush();
          number = Math.floor(here / BLOCK_BYTES);
        }
        const within = here - number * BLOCK_BYTES;
        const bytes = Math.min(BLOCK_BYTES - within, chunk.length - at);
        chunk.copy(block, within, at, at + bytes);
        filled = true;
        at += bytes;
      }
    },
    digest: () => {
      flush();
      return hash.digest('hex');
    },
  };
}
