import { mkdir, open, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { RbmResumeError } from '../errors.js';
import { exec } from '../exec.js';
import { decompressor, detectCompression } from '../layer/compression.js';

/** What was unpacked of an archive. */
export interface Unpacked {
  readonly dir: string;
  /** One line for each member, in their order, by its name; none where nothing but the files is known. */
  readonly members: ReadonlyMap<string, string>;
}

/**
 * Unpacks a tar archive, compressed or not, a zip archive, or a single compressed file into a new directory; `null` for any
 * other file, and then there is no directory.
 */
export async function unpack(file: string, dir: string): Promise<Unpacked | null> {
  await mkdir(dir, { recursive: true });
  const unpacked =
    (await unpackTar(file, dir)) ?? (await unpackZip(file, dir)) ?? (await decompress(file, dir));
  if (unpacked === null) await rm(dir, { recursive: true });
  return unpacked;
}

async function unpackTar(file: string, dir: string): Promise<Unpacked | null> {
  const listing = await tryTo(['tar', '--list', '-vv', '--full-time', '--numeric-owner', '-f', file]);
  if (listing === null || listing === '') return null;
  const isUnpacked = await tryTo(['tar', '--extract', '--no-same-owner', '-C', dir, '-f', file]);
  if (isUnpacked === null) return null;
  const members = new Map<string, string>();
  for (const line of listing.split('\n')) {
    const name = /^\S+ \S+ +\S+ \S+ \S+ (.*?)(?: -> .*| link to .*)?$/.exec(line)?.[1];
    if (name !== undefined) members.set(name.replace(/^\.\//, '').replace(/\/$/, ''), line);
  }
  return { dir, members };
}

async function unpackZip(file: string, dir: string): Promise<Unpacked | null> {
  if ((await readMagic(file)) !== '504b0304') return null;
  for (const argv of [
    ['unzip', '-q', file, '-d', dir],
    ['bsdtar', '-xf', file, '-C', dir],
  ] as const)
    if ((await tryTo(argv)) !== null) return { dir, members: new Map() };
  return null;
}

async function decompress(file: string, dir: string): Promise<Unpacked | null> {
  const source = await open(file);
  try {
    const compression = await detectCompression(source, file);
    if (compression === 'none') return null;
    const target = await open(join(dir, basename(file).replace(/\.(gz|xz|zst)$/, '')), 'w');
    try {
      await exec(decompressor(compression), { stdinFrom: source.fd, stdoutTo: target.fd });
    } finally {
      await target.close();
    }
    return { dir, members: new Map() };
  } catch (error) {
    if (error instanceof RbmResumeError) return null;
    throw error;
  } finally {
    await source.close();
  }
}

async function readMagic(file: string): Promise<string> {
  const handle = await open(file);
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(4), 0, 4, 0);
    return buffer.subarray(0, bytesRead).toString('hex');
  } finally {
    await handle.close();
  }
}

/** What a program prints; `null` when it fails or is missing. */
async function tryTo(argv: readonly [string, ...string[]]): Promise<string | null> {
  try {
    const { stdout } = await exec(argv, { allowStderr: true });
    return stdout.toString();
  } catch (error) {
    if (error instanceof RbmResumeError) return null;
    throw error;
  }
}
