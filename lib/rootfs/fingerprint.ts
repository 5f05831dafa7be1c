import { open, readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import xxhash, { type XXHashAPI } from 'xxhash-wasm';

/** The content of files, by path relative to the folder: XXH64 as 16 hex digits; of a symbolic link its target. */
export type Fingerprints = Readonly<Record<string, string>>;

/**
 * Reads every file below `dir` through; takes about half a second a gigabyte that is in memory. It tells whether two
 * folders hold the same, not whether somebody wants them to look the same.
 * @param isLeftOut says of a path what is not looked at; a folder that is left out is so with all that is in it
 */
export async function fingerprintFiles(
  dir: string,
  isLeftOut: (path: string) => boolean,
): Promise<Fingerprints> {
  const api = await xxhash();
  const found: Record<string, string> = {};
  const visit = async (path: string): Promise<void> => {
    const entries = await readdir(join(dir, path), { withFileTypes: true });
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const inner = path === '' ? entry.name : `${path}/${entry.name}`;
      if (isLeftOut(inner)) continue;
      if (entry.isDirectory()) await visit(inner);
      else if (entry.isFile()) found[inner] = (await fingerprintFile(join(dir, inner), api)).xxh64;
      else if (entry.isSymbolicLink()) found[inner] = `-> ${await readlink(join(dir, inner))}`;
    }
  };
  await visit('');
  return found;
}

/** What a file holds. `onChunk` sees it as it is read. */
export async function fingerprintFile(
  file: string,
  api: XXHashAPI,
  onChunk: (chunk: Buffer) => void = () => {},
): Promise<{ readonly xxh64: string; readonly bytes: number }> {
  const hash = api.create64();
  const handle = await open(file, 'r');
  let bytes = 0;
  try {
    const buffer = Buffer.allocUnsafe(1 << 20);
    for (;;) {
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, null);
      if (bytesRead === 0) break;
      const chunk = buffer.subarray(0, bytesRead);
      hash.update(chunk);
      onChunk(chunk);
      bytes += bytesRead;
    }
  } finally {
    await handle.close();
  }
  return { xxh64: hash.digest().toString(16).padStart(16, '0'), bytes };
}

/** The first path whose content differs between two folders, is missing in one, or `null`. */
export function firstDifference(a: Fingerprints, b: Fingerprints): string | null {
  const paths = [...new Set([...Object.keys(a), ...Object.keys(b)])].sort();
  return paths.find((path) => a[path] !== b[path]) ?? null;
}
