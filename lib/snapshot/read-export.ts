import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { lstat, open, readdir, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { RbmResumeError, systemErrorCode } from '../errors.js';
import { READ_PLAIN_FILE } from '../plain-file.js';
import { MAX_JSON_BYTES } from '../store/blobs.js';
import { parseJson } from '../store/oci.js';
import { findSealDamage } from '../store/sealed-json.js';
import {
  EXPORT_MANIFEST,
  EXPORT_PARTS,
  exportManifestSchema,
  findContradiction,
  type ExportedPart,
  type ExportManifest,
} from './export-format.js';

const CHUNK_BYTES = 2 * 1024 * 1024;

/** An export whose parts are all there, as long as they should be. Close it, also after an error. */
export interface OpenExport {
  readonly dir: string;
  readonly manifest: ExportManifest;
  /**
   * Hands the bytes of a part to `take`, one chunk after the other, and compares its sha256 at the end; what was taken is
   * worth nothing until then.
   * @throws RbmResumeError `DAMAGED_EXPORT`, and what `take` throws
   */
  readPart(part: ExportedPart, take: (chunk: Buffer) => Promise<void>): Promise<void>;
  close(): Promise<void>;
}

/**
 * Opens an export, whoever made it: nothing but regular files in `dir/parts` is opened, no symbolic link is followed, and no more
 * is read than the manifest says.
 * @throws RbmResumeError `NO_EXPORT` when there is nothing at all; `INCOMPLETE_EXPORT`, which names every part that is missing or of
 *   another size; `DAMAGED_EXPORT` when the manifest has another shape or contradicts itself
 */
export async function openExport(dir: string): Promise<OpenExport> {
  const manifest = await readManifest(dir);
  const parts = await openParts(dir);
  try {
    await checkParts(dir, parts, manifest);
  } catch (error) {
    await parts?.close();
    throw error;
  }
  return {
    dir,
    manifest,
    readPart: (part, take) => {
      if (parts === null) throw new Error(`an export without parts has none of the name ${part.file}`);
      return readPart(pathIn(parts, part), part, take);
    },
    close: async () => parts?.close(),
  };
}

async function readManifest(dir: string): Promise<ExportManifest> {
  const path = join(dir, EXPORT_MANIFEST);
  const text = await readManifestText(dir, path);
  let isJson = true;
  try {
    JSON.parse(text.toString());
  } catch {
    isJson = false;
  }
  if (!isJson) throw incomplete(dir, `${EXPORT_MANIFEST} is no JSON`, [EXPORT_MANIFEST]);
  const damage = findSealDamage(text);
  if (damage !== null) throw damagedExport(path, damage);
  const parsed = parseJson(exportManifestSchema, text);
  if (!('value' in parsed)) throw damagedExport(path, parsed.problem);
  const contradiction = findContradiction(parsed.value);
  if (contradiction !== null) throw damagedExport(path, contradiction);
  return parsed.value;
}

async function readManifestText(dir: string, path: string): Promise<Buffer> {
  let handle: FileHandle;
  try {
    handle = await open(path, READ_PLAIN_FILE);
  } catch (error) {
    if (await isEmpty(dir)) {
      throw new RbmResumeError('NO_EXPORT', `there is no export in ${dir}`, {
        hint: 'Nothing was imported; builds start clean.',
        fields: { dir },
      });
    }
    const why = systemErrorCode(error) ?? '';
    if (why === 'ENOENT') throw incomplete(dir, `${EXPORT_MANIFEST} is missing`, [EXPORT_MANIFEST]);
    throw incomplete(dir, `${EXPORT_MANIFEST} can't be opened as a plain file (${why})`, [EXPORT_MANIFEST]);
  }
  try {
    const stats = await handle.stat();
    if (!stats.isFile()) throw damagedExport(path, 'it is no regular file');
    if (stats.size > MAX_JSON_BYTES) throw damagedExport(path, `it has more than ${MAX_JSON_BYTES} bytes`);
    const data = Buffer.alloc(stats.size);
    const { bytesRead } = await handle.read(data, 0, stats.size, 0);
    return data.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}

async function isEmpty(dir: string): Promise<boolean> {
  try {
    return (await readdir(dir)).length === 0;
  } catch (error) {
    return systemErrorCode(error) === 'ENOENT';
  }
}

/** `null` when there is no such directory; artifact services drop empty ones. */
async function openParts(dir: string): Promise<FileHandle | null> {
  try {
    return await open(
      join(dir, EXPORT_PARTS),
      constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW,
    );
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'ELOOP'].includes(systemErrorCode(error) ?? '')) return null;
    throw error;
  }
}

/** Below the directory that is open, wherever its name leads by now. Source: proc_pid_fd(5). */
const pathIn = (parts: FileHandle, { file }: ExportedPart): string => `/proc/self/fd/${parts.fd}/${file}`;

async function checkParts(dir: string, parts: FileHandle | null, { blobs }: ExportManifest): Promise<void> {
  const troubles: string[] = [];
  const files: string[] = [];
  for (const part of blobs.flatMap((blob) => blob.parts)) {
    const trouble = parts === null ? 'is missing' : await findTrouble(pathIn(parts, part), part);
    if (trouble === null) continue;
    files.push(part.file);
    troubles.push(`${EXPORT_PARTS}/${part.file} ${trouble}`);
  }
  if (troubles.length > 0) throw incomplete(dir, troubles.join('; '), files);
}

async function findTrouble(path: string, { size }: ExportedPart): Promise<string | null> {
  try {
    const stats = await lstat(path);
    if (!stats.isFile()) return 'is no regular file';
    return stats.size === size ? null : `has ${stats.size} bytes instead of ${size}`;
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return 'is missing';
    throw error;
  }
}

async function readPart(
  path: string,
  part: ExportedPart,
  take: (chunk: Buffer) => Promise<void>,
): Promise<void> {
  const name = `${EXPORT_PARTS}/${part.file}`;
  const handle = await open(path, READ_PLAIN_FILE).catch((cause: unknown) => {
    throw damagedExport(name, "it can't be opened as a plain file", cause);
  });
  try {
    const stats = await handle.stat();
    if (!stats.isFile() || stats.size !== part.size) throw damagedExport(name, 'it was changed meanwhile');
    const hash = createHash('sha256');
    const buffer = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, part.size));
    for (let done = 0; done < part.size;) {
      const { bytesRead } = await handle
        .read(buffer, 0, Math.min(buffer.length, part.size - done), done)
        .catch((cause: unknown) => {
          throw damagedExport(name, "it can't be read", cause);
        });
      if (bytesRead === 0) throw damagedExport(name, 'it was changed meanwhile');
      const chunk = buffer.subarray(0, bytesRead);
      const taking = take(chunk);
      hash.update(chunk);
      await taking;
      done += bytesRead;
    }
    const found = hash.digest('hex');
    if (found !== part.sha256) throw damagedExport(name, `its sha256 is ${found} instead of ${part.sha256}`);
  } finally {
    await handle.close();
  }
}

const HINT = 'Nothing was imported. Fetch the export once more, or make it anew.';

/** `files`: what is missing or too short, by name. */
const incomplete = (dir: string, what: string, files: readonly string[]): RbmResumeError =>
  new RbmResumeError('INCOMPLETE_EXPORT', `${dir} is half an export: ${what}`, {
    hint: HINT,
    fields: { dir, files: files.join(' ') },
  });

/** The error `DAMAGED_EXPORT` for the file, or the blob or snapshot, of that name. */
export const damagedExport = (name: string, what: string, cause?: unknown): RbmResumeError =>
  new RbmResumeError('DAMAGED_EXPORT', `${name} of the export can't be used: ${what}`, {
    hint: HINT,
    cause,
    fields: { name },
  });
