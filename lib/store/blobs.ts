import { createHash } from 'node:crypto';
import { lstat, open, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import type * as v from 'valibot';
import { hexOf, type Digest } from '../digest.js';
import { RbmResumeError, systemErrorCode } from '../errors.js';
import { READ_PLAIN_FILE } from '../plain-file.js';
import { namingIoFailures, toIoFailure } from '../system-error.js';
import { parseJson, type Descriptor } from './oci.js';
import type { StorePaths } from './paths.js';

/** What names a blob: enough to find it and to know it for the right one. */
export type BlobName = Pick<Descriptor, 'digest' | 'size'>;

/** More than this is not read into memory unless the caller allows it, in bytes. */
export const MAX_JSON_BYTES = 4 * 1024 * 1024;

const CHUNK_BYTES = 2 * 1024 * 1024;

/** An open blob of the right size. Close it, also after an error. */
export interface VerifiedBlob extends BlobName {
  readonly path: string;
  /**
   * The open file, at offset 0, to be handed to the program that reads it: what was verified and what is read are then
   * the same file, whatever happens to the path.
   */
  readonly handle: FileHandle;
  /**
   * Reads the blob through once, without moving the offset.
   * @throws RbmResumeError `DAMAGED_BLOB` when its sha256 is another one
   */
  verify(): Promise<void>;
  close(): Promise<void>;
}

/** Where a blob lies, whether it is there or not. */
export const blobPath = (paths: StorePaths, digest: Digest): string => join(paths.blobs, hexOf(digest));

/**
 * Opens a blob and checks its size. Its digest is checked by {@link VerifiedBlob.verify}.
 * @throws RbmResumeError `MISSING_BLOB`; `DAMAGED_BLOB` when it has another size or is no regular file
 */
export async function openBlob(paths: StorePaths, name: BlobName): Promise<VerifiedBlob> {
  const { digest, size } = name;
  const path = blobPath(paths, digest);
  const handle = await openRegularFile(path, digest);
  try {
    const stats = await handle.stat();
    if (!stats.isFile()) throw damaged(digest, path, { expected: 'a regular file', found: 'something else' });
    if (stats.size !== size)
      throw damaged(digest, path, { expected: `${size} bytes`, found: `${stats.size} bytes` });
  } catch (error) {
    await handle.close();
    throw error;
  }
  const verify = async () => {
    const found = await namingIoFailures(`reading the blob ${digest}`, () => hashFile(handle));
    if (found.digest !== digest) throw damaged(digest, path, { expected: digest, found: found.digest });
    if (found.size !== size)
      throw damaged(digest, path, { expected: `${size} bytes`, found: `${found.size} bytes` });
  };
  return { digest, size, path, handle, verify, close: () => handle.close() };
}

/**
 * Reads a small blob into memory; its size and digest are checked each time.
 * @throws RbmResumeError `MISSING_BLOB`; `DAMAGED_BLOB`, also when it is larger than allowed
 */
export async function readBlob(
  paths: StorePaths,
  name: BlobName,
  options: {
    /** @default {@link MAX_JSON_BYTES} */
    readonly maxBytes?: number;
  } = {},
): Promise<Buffer> {
  const { digest, size } = name;
  const maxBytes = options.maxBytes ?? MAX_JSON_BYTES;
  if (size > maxBytes) {
    const path = blobPath(paths, digest);
    throw damaged(digest, path, { expected: `at most ${maxBytes} bytes`, found: `${size} bytes` });
  }
  const blob = await openBlob(paths, name);
  try {
    const data = Buffer.alloc(size);
    const length = await namingIoFailures(`reading the blob ${digest}`, () => readFully(blob.handle, data));
    const found = `sha256:${createHash('sha256').update(data.subarray(0, length)).digest('hex')}`;
    if (found !== digest) throw damaged(digest, blob.path, { expected: digest, found });
    return data;
  } finally {
    await blob.close();
  }
}

/**
 * Reads a blob that is JSON of a known shape, with the fields that the shape does not name.
 * @throws RbmResumeError `MISSING_BLOB`; `DAMAGED_BLOB`, also when it is of another shape
 */
export async function readJsonBlob<S extends v.GenericSchema>(
  paths: StorePaths,
  name: BlobName,
  schema: S,
): Promise<v.InferOutput<S>> {
  const parsed = parseJson(schema, await readBlob(paths, name));
  if ('value' in parsed) return parsed.value;
  const { digest } = name;
  throw damaged(digest, blobPath(paths, digest), { expected: 'OCI JSON', found: parsed.problem });
}

/** Whether a blob is there, as a regular file of the right size. Its content is not looked at. */
export async function hasBlob(paths: StorePaths, name: BlobName): Promise<boolean> {
  try {
    const stats = await lstat(blobPath(paths, name.digest));
    return stats.isFile() && stats.size === name.size;
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return false;
    throw error;
  }
}

/** The digest and size of an open file, which is read through once; its offset does not move. */
export async function hashFile(handle: FileHandle): Promise<BlobName> {
  const hash = createHash('sha256');
  let size = 0;
  // One chunk is read while the other is hashed.
  let [current, other] = [Buffer.allocUnsafe(CHUNK_BYTES), Buffer.allocUnsafe(CHUNK_BYTES)];
  let { bytesRead } = await handle.read(current, 0, CHUNK_BYTES, size);
  while (bytesRead > 0) {
    size += bytesRead;
    const reading = handle.read(other, 0, CHUNK_BYTES, size);
    hash.update(current.subarray(0, bytesRead));
    ({ bytesRead } = await reading);
    [current, other] = [other, current];
  }
  return { digest: `sha256:${hash.digest('hex')}` as Digest, size };
}

async function readFully(handle: FileHandle, data: Buffer): Promise<number> {
  let length = 0;
  while (length < data.length) {
    const { bytesRead } = await handle.read(data, length, data.length - length, length);
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  return length;
}

async function openRegularFile(path: string, digest: Digest): Promise<FileHandle> {
  try {
    return await open(path, READ_PLAIN_FILE);
  } catch (cause) {
    const code = systemErrorCode(cause);
    if (code === 'ENOENT' || code === 'ENOTDIR') throw missingBlob(digest, path);
    if (code === 'ELOOP')
      throw damaged(digest, path, { expected: 'a regular file', found: 'a symbolic link' });
    throw toIoFailure(cause, `reading the blob ${digest}`);
  }
}

/** The error `MISSING_BLOB` for a blob that should lie at `path`. */
export const missingBlob = (digest: Digest, path: string): RbmResumeError =>
  new RbmResumeError('MISSING_BLOB', `the blob ${digest} is missing: there is no ${path}`, {
    hint: HINT,
    fields: { digest, path },
  });

const damaged = (
  digest: Digest,
  path: string,
  { expected, found }: { readonly expected: string; readonly found: string },
): RbmResumeError =>
  new RbmResumeError('DAMAGED_BLOB', `the blob ${path} is damaged: expected ${expected}, found ${found}`, {
    hint: HINT,
    fields: { digest, path, expected, found },
  });

const HINT =
  'What refers to it is not used. Copy the blob back from another copy of the store, or remove the entry.';
