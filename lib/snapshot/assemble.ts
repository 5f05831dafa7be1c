import { join } from 'node:path';
import { hexOf, type Digest } from '../digest.js';
import { RbmResumeError, type ErrorCode } from '../errors.js';
import { MAX_JSON_BYTES, readJsonBlob, type BlobName } from '../store/blobs.js';
import { imageManifestSchema, type Descriptor } from '../store/oci.js';
import type { StorePaths } from '../store/paths.js';
import type { StagedBlob, Staging } from '../store/staging.js';
import { namingWriteFailures } from '../store/write-failure.js';
import { MAX_ENVELOPE_BYTES } from '../trust/dsse.js';
import { entryOf } from './index-entries.js';
import { checkIdentity } from './snapshot-blobs.js';
import { Snapshot } from './snapshot.js';

/** Where blobs come from: an export, or what was fetched from a registry. */
export interface BlobSource {
  /** Bytes of a blob that it has, by its own account. */
  sizeOf(digest: Digest): number | undefined;
  /** Writes a blob that it has to `file`, which is not there yet. */
  write(
    name: BlobName,
    to: { readonly file: string; readonly onBytes: (count: number) => void },
  ): Promise<void>;
  /** Whether all of it lies in the staging folder already, so nothing has to be written. */
  readonly isOnDisk: boolean;
  /** The error for what is wrong with the blob, or the snapshot, of that name. */
  damaged(name: string, what: string, cause?: unknown): RbmResumeError;
}

/** Puts blobs that come from elsewhere together in a staging folder, each once. */
export interface Assembly {
  /** See {@link BlobSource}. */
  readonly isOnDisk: boolean;
  /** Puts the attestation of a snapshot beside its manifest, where it has one and the source holds it. */
  putAttestation(snapshot: Snapshot): Promise<void>;
  /** @throws RbmResumeError `BlobSource.damaged` when the source has no such blob, or one of another size */
  find(name: BlobName): BlobName;
  /**
   * Takes a blob and holds it against its sha256.
   * @throws RbmResumeError `BlobSource.damaged`; `STORE_WRITE_FAILED`
   */
  put(name: BlobName, onBytes?: (count: number) => void): Promise<StagedBlob>;
  /**
   * Opens a snapshot whose manifest and config are not in the store yet, from the source.
   * @throws RbmResumeError `BlobSource.damaged` unless it is a snapshot in every respect
   */
  openSnapshot(descriptor: Descriptor): Promise<Snapshot>;
}

export function openAssembly(
  source: BlobSource,
  to: { readonly paths: StorePaths; readonly staging: Staging; readonly folder: string },
): Assembly {
  const { paths, staging, folder } = to;
  const done = new Map<Digest, StagedBlob>();
  const find = ({ digest, size }: BlobName): BlobName => {
    const found = source.sizeOf(digest);
    if (found === undefined) throw source.damaged(digest, 'it is not there');
    if (found !== size) throw source.damaged(digest, `it has ${found} bytes instead of ${size}`);
    return { digest, size };
  };
  const put: Assembly['put'] = async (name, onBytes = () => {}) => {
    const known = done.get(name.digest);
    if (known !== undefined) {
      onBytes(known.size);
      return known;
    }
    const blob = find(name);
    const file = join(folder, hexOf(blob.digest));
    await namingWriteFailures(paths.root, () => source.write(blob, { file, onBytes }));
    const staged = await staging.prepare(file, blob).catch((error: unknown) => {
      if (!(error instanceof RbmResumeError) || error.code !== 'DAMAGED_BLOB') throw error;
      throw source.damaged(blob.digest, 'its bytes are those of another blob', error);
    });
    done.set(blob.digest, staged);
    return staged;
  };
  const putJson = async (name: BlobName): Promise<void> => {
    if (name.size > MAX_JSON_BYTES)
      throw source.damaged(name.digest, `it is JSON of more than ${MAX_JSON_BYTES} bytes`);
    await put(name);
  };
  const openSnapshot = async (descriptor: Descriptor): Promise<Snapshot> => {
    const entry = entryOf(descriptor);
    if (entry === null) throw source.damaged(descriptor.digest, 'it is no snapshot by its annotations');
    // The blobs in the staging folder are named as in a store, so they are read as there.
    const staged = { ...paths, blobs: folder };
    await putJson(descriptor);
    try {
      await putJson((await readJsonBlob(staged, descriptor, imageManifestSchema)).config);
      const snapshot = await Snapshot.open(staged, entry);
      checkIdentity(snapshot);
      return snapshot;
    } catch (cause) {
      if (!(cause instanceof RbmResumeError) || !NO_SNAPSHOT.includes(cause.code)) throw cause;
      throw source.damaged(`${entry.hash}@${entry.generation}`, 'it is no snapshot', cause);
    }
  };
  const putAttestation = async ({ attestation }: Snapshot): Promise<void> => {
    if (attestation === null || attestation.size > MAX_ENVELOPE_BYTES) return;
    if (source.sizeOf(attestation.digest) === attestation.size) await put(attestation);
  };
  return { isOnDisk: source.isOnDisk, find, put, openSnapshot, putAttestation };
}

const NO_SNAPSHOT: readonly ErrorCode[] = ['MISSING_BLOB', 'DAMAGED_BLOB', 'DAMAGED_SNAPSHOT'];
