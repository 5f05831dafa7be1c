import { open } from 'node:fs/promises';
import { PassThrough } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { RbmResumeError } from '../errors.js';
import { exec } from '../exec.js';
import { toBytes } from '../rootfs/entry.js';
import { waitForRoom } from '../stream-room.js';
import { badLayer, layerTooBig } from './bad-layer.js';
import { formatListingRecord, parseListingRecord } from './listing-record.js';
import { DEFAULT_TAR_LIMITS, type TarLimits } from './tar-limits.js';
import type { LayerMember, MemberBatches } from './whiteout.js';

export type { LayerMember, MemberBatches } from './whiteout.js';

/** Level 9: beyond it the time doubles for a few bytes in a hundred. */
const COMPRESS = ['zstd', '-9', '-cq', '--check'] as const;
const DECOMPRESS = ['zstd', '-dcq'] as const;

const WRITE_AT_ONCE = 1 << 16;

/** Names, a target and attributes as long as `DEFAULT_TAR_LIMITS` lets them be, in base64, and something to spare. */
const LONGEST_RECORD = 24 << 20;

/**
 * Writes the listing of a layer: a record for each member, in the order of the archive, compressed with zstd. A person reads it with
 * `zstd -dc FILE | tr '\0' '\n'`; the format is that of {@link ./listing-record.js}. The file must not exist; it is neither
 * atomic nor synced to the disk.
 * @returns the number of records
 * @throws RbmResumeError `COMMAND_FAILED`, `COMMAND_NOT_FOUND`
 */
export async function writeLayerListing(file: string, batches: MemberBatches): Promise<number> {
  let records = 0;
  const handle = await open(file, 'wx', 0o644);
  try {
    await exec(COMPRESS, {
      stdoutTo: handle.fd,
      feed: async (stdin) => {
        let text = '';
        for await (const members of batches) {
          for (const member of members) {
            text += formatListingRecord(member);
            records += 1;
            if (text.length < WRITE_AT_ONCE) continue;
            stdin.write(toBytes(text));
            text = '';
            await waitForRoom(stdin);
          }
        }
        stdin.write(toBytes(text));
      },
    });
  } finally {
    await handle.close();
  }
  return records;
}

/**
 * Reads what {@link writeLayerListing} has written, some records at a time. What comes before an error is of no use.
 * @param source a file, or a descriptor that stands at its beginning and stays the caller's
 * @throws RbmResumeError `BAD_LAYER` when it is damaged, cut off, or anything in it is not as it was written;
 *   `LAYER_TOO_BIG`; `COMMAND_NOT_FOUND`
 */
export async function* readLayerListing(
  source: string | number,
  limits: Pick<TarLimits, 'entries' | 'listingBytes'> = DEFAULT_TAR_LIMITS,
): AsyncGenerator<LayerMember[]> {
  const handle = typeof source === 'string' ? await open(source, 'r') : null;
  try {
    let [records, bytes] = [0, 0];
    for await (const batch of splitRecords(decompress(handle?.fd ?? Number(source)))) {
      records += batch.length;
      if (records > limits.entries) throw layerTooBig('its listing has too many records');
      for (const record of batch) bytes += record.length + 1;
      if (bytes > limits.listingBytes) throw layerTooBig('its listing is too long');
      yield batch.map(parseListingRecord);
    }
  } finally {
    await handle?.close();
  }
}

async function* decompress(fd: number): AsyncGenerator<Buffer> {
  const output = new PassThrough();
  const ended = exec(DECOMPRESS, { stdinFrom: fd, consume: (stdout) => pipeline(stdout, output) });
  ended.catch((error: Error) => output.destroy(error));
  try {
    yield* output as AsyncIterable<Buffer>;
    await ended;
  } catch (error) {
    const hasFailed = error instanceof RbmResumeError && error.code === 'COMMAND_FAILED';
    throw hasFailed ? badLayer('its listing is damaged: it can not be decompressed', error) : error;
  } finally {
    output.destroy();
    await ended.catch(() => {});
  }
}

/** Splits a stream at every second NUL, which is left out; gives the records that end in a chunk together. */
async function* splitRecords(stream: AsyncIterable<Buffer>): AsyncGenerator<Buffer[]> {
  let pieces: Buffer[] = [];
  let bytes = 0;
  let hasPath = false;
  for await (const chunk of stream) {
    const records: Buffer[] = [];
    let start = 0;
    for (let nul = chunk.indexOf(0); nul !== -1; nul = chunk.indexOf(0, nul + 1)) {
      hasPath = !hasPath;
      if (hasPath) continue;
      const piece = chunk.subarray(start, nul);
      records.push(pieces.length === 0 ? piece : Buffer.concat([...pieces, piece]));
      [pieces, bytes, start] = [[], 0, nul + 1];
    }
    yield records;
    pieces.push(chunk.subarray(start));
    bytes += chunk.length - start;
    if (bytes > LONGEST_RECORD) throw layerTooBig(`a record of its listing has more than ${bytes} bytes`);
  }
  if (bytes > 0) throw badLayer('the last record of its listing is cut off');
}
