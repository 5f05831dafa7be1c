import { open, rename, unlink, writeFile, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { randomBytes } from 'node:crypto';

/** Makes the entries of a directory durable: what was made, renamed or removed in it survives a power cut. */
export async function syncDirectory(dir: string): Promise<void> {
  const handle = await open(dir, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Writes a small file so that, whatever happens, `path` holds the old content or the new one: temporary file, fsync,
 * rename, fsync of the directory. After a failed fsync nothing is tried again, since the kernel has dropped the error.
 */
export async function writeFileDurably(
  path: string,
  data: string | Uint8Array,
  options: {
    /** Of a new file, before the umask. @default 0o644 */
    readonly mode?: number;
    /** Called with the temporary file before anything is in it, to give it an owner, say. */
    readonly prepare?: (handle: FileHandle) => Promise<void>;
  } = {},
): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  const handle = await open(temporary, 'wx', options.mode ?? 0o644);
  try {
    await options.prepare?.(handle);
    await handle.writeFile(data);
    await handle.sync();
    await handle.close();
    await rename(temporary, path);
  } catch (error) {
    await handle.close().catch(() => {});
    await unlink(temporary).catch(() => {});
    throw error;
  }
  await syncDirectory(dirname(path));
}

/**
 * Writes a small file that nobody needs after a power cut: `path` holds the old content or the new one, whole, as long
 * as the machine runs. Spares a build that is never interrupted the waits for the disk.
 */
export async function writeFileAtomically(path: string, data: string): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  await writeFile(temporary, data);
  await rename(temporary, path);
}

/** {@link writeFileAtomically} of a value as JSON that a person can read. */
export const writeJsonAtomically = (path: string, value: unknown): Promise<void> =>
  writeFileAtomically(path, toJson(value));

/** {@link writeFileDurably} of a value as JSON that a person can read. */
export const writeJsonDurably = (path: string, value: unknown): Promise<void> =>
  writeFileDurably(path, toJson(value));

const toJson = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;
