import { execFileSync } from 'node:child_process';
import { harmless, refused, type HostileCase } from './hostile-case.js';
import { archive, member } from './tar-bytes.js';

const TAR = archive(member({ name: 'a' }, 'x'.repeat(5000)));

const pack = (program: string, args: readonly string[], input: Buffer = TAR): Buffer =>
  execFileSync(program, args, { input, stdio: ['pipe', 'pipe', 'ignore'], maxBuffer: 1 << 28 });
const zstd = (input?: Buffer, ...args: readonly string[]) => pack('zstd', ['-cq', ...args], input);

/** A frame that decompressors pass over. Source: RFC 8878, 3.1.2. */
function skippable(data: string): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt32LE(0x184d2a50);
  head.writeUInt32LE(data.length, 4);
  return Buffer.concat([head, Buffer.from(data)]);
}

/** The same with one byte turned over. */
function flipped(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at] = (copy[at] ?? 0) ^ 0xff;
  return copy;
}

const BROKEN = /can't be unpacked/;
const NOT_TAR = /no tar archive|checksum|unknown format|cut off/;

/** Archives that are compressed, and wrong in that. `bytes` is what lies in the file. */
export function* hostileFrames(): Generator<HostileCase> {
  const [frame, gzip, xz] = [zstd(undefined, '--check'), pack('gzip', ['-cn']), pack('xz', ['-c'])];
  const packed = { zstd: frame, gzip, xz };
  for (const [name, bytes] of Object.entries(packed)) {
    yield harmless(`${name} as it is`, bytes);
    for (const length of [20, Math.floor(bytes.length / 2), bytes.length - 9, bytes.length - 1]) {
      yield refused(`${name} cut off at byte ${length}`, bytes.subarray(0, length), BROKEN);
    }
    yield refused(`${name} with a byte behind it`, Buffer.concat([bytes, Buffer.from('x')]), BROKEN);
    yield refused(
      `${name} with text behind it`,
      Buffer.concat([bytes, Buffer.from('more than a frame holds')]),
      BROKEN,
    );
    yield refused(`${name} with a tar archive behind it`, Buffer.concat([bytes, TAR]), BROKEN);
    yield refused(`${name} with a damaged check at its end`, flipped(bytes, bytes.length - 3), BROKEN);
    yield refused(`${name} with the archive twice`, Buffer.concat([bytes, bytes]), /follows the end/);
    yield refused(`${name} of nothing`, pack(name, ['-c'], Buffer.alloc(0)), /cut off/);
    yield refused(`${name} of text`, pack(name, ['-c'], Buffer.from('text')), NOT_TAR);
    yield refused(`${name} twice over`, pack(name, ['-c'], bytes), NOT_TAR);
    const [first, second] = [TAR.subarray(0, 700), TAR.subarray(700)];
    const parts = Buffer.concat([pack(name, ['-c'], first), pack(name, ['-c'], second)]);
    yield harmless(`${name} in two parts`, parts);
  }
  yield harmless('a zstd frame without a checksum', zstd(undefined, '--no-check'));
  yield harmless('a zstd frame with a frame to pass over before it', Buffer.concat([frame, skippable('')]));
  yield harmless(
    'a zstd frame with a frame of text to pass over behind it',
    Buffer.concat([frame, skippable('text')]),
  );
  yield refused(
    'a zstd frame with half a frame to pass over',
    Buffer.concat([frame, skippable('text').subarray(0, 9)]),
    BROKEN,
  );
  yield refused(
    'a zstd frame and an unknown one',
    Buffer.concat([frame, Buffer.from('28b52ffe0000', 'hex')]),
    BROKEN,
  );
  yield refused('a zstd frame with a reserved bit', flipped(frame, 4), BROKEN);
  // A header alone: a window of 2 TiB, with which the first block begins.
  yield refused('a zstd frame whose window is too large', Buffer.from('28b52ffd00f8010000', 'hex'), BROKEN);
  yield refused('a zstd frame that needs a dictionary', Buffer.from('28b52ffd2101ff010000', 'hex'), BROKEN);
}
