import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import type { Writable } from 'node:stream';
import { parseDigest, type Digest } from '../digest.js';
import { exec } from '../exec.js';
import { execInIdMap } from '../id-map.js';
import { toBytes } from '../rootfs/entry.js';
import { layerTooBig } from './bad-layer.js';
import type { Changes } from './changes.js';
import { compressor } from './compression.js';
import { mostUnpacked } from './tar-limits.js';
import { TarReader } from './tar-reader.js';
import { encodeWhiteouts, toLayerMember, type LayerMember } from './whiteout.js';

/** How far the writing or reading of an archive has come. */
export interface LayerProgress {
  /** Bytes of the uncompressed archive so far. */
  readonly bytes: number;
  /** Its members so far. */
  readonly entries: number;
}

/** What is compressed in a layer as it was written. */
export interface WrittenLayer {
  readonly diffId: Digest;
  readonly diffSize: number;
  /** Read back from the archive itself, as it went by. */
  readonly members: readonly LayerMember[];
}

export interface WriteOptions {
  readonly file: string;
  readonly compression: 'gzip' | 'zstd';
  readonly onProgress?: ((progress: LayerProgress) => void) | undefined;
}

/**
 * What GNU tar writes: all that it can keep. Access and change times are left out, since they say nothing about the tree;
 * so are the names of users and groups, which differ between hosts. ACLs travel as the attributes that they are: as text
 * (`--acls`) they would have names of users.
 */
const TAR_CREATE = [
  '--create',
  '--format=posix',
  // Records of 64 KiB, which a pipe holds: with those of 10 KiB twice the time goes into system calls.
  '--blocking-factor=128',
  '--pax-option=delete=atime,delete=ctime,exthdr.name=%d/PaxHeaders/%f',
  '--numeric-owner',
  '--sparse',
  '--xattrs',
  '--xattrs-include=user.*',
  '--xattrs-include=security.capability',
  '--xattrs-include=system.posix_acl_*',
  '--no-recursion',
  '--null',
  '--verbatim-files-from',
  '--no-unquote',
  '--files-from=-',
];

/**
 * Writes what has changed in a tree as one layer: whiteouts first, then what GNU tar archives inside the id map. The file is not
 * synced to the disk.
 * @throws RbmResumeError `COMMAND_FAILED` also when a file changed while it was read; `LAYER_TOO_BIG`
 */
export async function writeLayer(
  rootfs: string,
  changes: Changes,
  options: WriteOptions,
): Promise<WrittenLayer> {
  const members: LayerMember[] = [];
  const diffHash = createHash('sha256');
  let diffSize = 0;
  const reader = new TarReader({ onMember: (member) => void members.push(toLayerMember(member)) });
  const pass = async (chunk: Buffer, stdin: Writable) => {
    diffHash.update(chunk);
    reader.write(chunk);
    diffSize += chunk.length;
    options.onProgress?.({ bytes: diffSize, entries: members.length });
    await writeTo(stdin, chunk);
  };
  const handle = await open(options.file, 'wx', 0o644);
  try {
    await exec(compressor(options.compression), {
      feed: async (stdin) => {
        for (const block of encodeWhiteouts(changes.removed)) await pass(block, stdin);
        await execInIdMap(['tar', '-C', rootfs, ...TAR_CREATE], {
          feed: (list) => writeNames(list, changes.paths),
          consume: async (stdout) => {
            for await (const chunk of stdout as AsyncIterable<Buffer>) await pass(chunk, stdin);
          },
        });
      },
      stdoutTo: handle.fd,
    });
    reader.end();
    const { size } = await handle.stat();
    if (diffSize > mostUnpacked(size))
      throw layerTooBig(
        `a layer of ${size} bytes that unpacks to ${diffSize} bytes would not be restored`,
        'What is parked stays, and builds on this machine go on in it. Does the build write files of gigabytes of zeros? Make them sparse.',
      );
    return { diffId: parseDigest(`sha256:${diffHash.digest('hex')}`), diffSize, members };
  } finally {
    await handle.close();
  }
}

const NAMES_AT_ONCE = 4096;

async function writeNames(list: Writable, paths: readonly string[]): Promise<void> {
  for (let at = 0; at < paths.length; at += NAMES_AT_ONCE) {
    const names = paths.slice(at, at + NAMES_AT_ONCE).map((path) => (path === '' ? '.\0' : `./${path}\0`));
    await writeTo(list, toBytes(names.join('')));
  }
}

/** So much may wait in memory for a program that reads slower than another writes. */
const BYTES_AHEAD = 8 << 20;

/** Writes to a program, and waits while it is far behind; rejects when it has gone. */
async function writeTo(stream: Writable, chunk: Buffer): Promise<void> {
  if (stream.destroyed) throw new Error('the program at the other end of the pipe has gone');
  if (stream.writableLength < BYTES_AHEAD) {
    stream.write(chunk);
    return;
  }
  await new Promise<void>((resolve, reject) => {
    stream.write(chunk, (error) => (error ? reject(error) : resolve()));
  });
}
