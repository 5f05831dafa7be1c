import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { hexOf, type Digest } from '../digest.js';
import { RbmResumeError, type ErrorCode } from '../errors.js';
import { MAX_JSON_BYTES, readJsonBlob, type BlobName } from '../store/blobs.js';
import { imageManifestSchema, type Descriptor } from '../store/oci.js';
import type { StorePaths } from '../store/paths.js';
import type { StagedBlob, Staging } from '../store/staging.js';
import { namingWriteFailures } from '../store/write-failure.js';
import { MAX_ENVELOPE_BYTES } from '../trust/dsse.js';
import type { ExportedBlob } from './export-format.js';
import { entryOf } from './index-entries.js';
import { damagedExport, type OpenExport } from './read-export.js';
import { checkIdentity } from './snapshot-blobs.js';
import { Snapshot } from './snapshot.js';

/** Puts the blobs of an export together in a staging folder, each once. */
export interface Assembly {
  /** Puts the attestation of a snapshot beside its manifest, where it has one and the export holds it. */
  putAttestation(snapshot: Snapshot): Promise<void>;
  /** @throws RbmResumeError `DAMAGED_EXPORT` when the export has no such blob, or one of another size */
  find(name: BlobName): ExportedBlob;
  /**
   * Copies the parts of a blob and holds each, and the whole, against its sha256.
   * @throws RbmResumeError `DAMAGED_EXPORT`, which names the part; `STORE_WRITE_FAILED`
   */
  put(name: BlobName, onBytes?: (count: number) => void): Promise<StagedBlob>;
  /**
   * Opens a snapshot whose manifest and config are not in the store yet, from the export.
   * @throws RbmResumeError `DAMAGED_EXPORT` unless it is a snapshot in every respect
   */
  openSnapshot(descriptor: Descriptor): Promise<Snapshot>;
}

export function openAssembly(
  source: OpenExport,
  to: { readonly paths: StorePaths; readonly staging: Staging; readonly folder: string },
): Assembly {
  const { paths, staging, folder } = to;
  const exported = new Map<Digest, ExportedBlob>(source.manifest.blobs.map((blob) => [blob.digest, blob]));
  const done = new Map<Digest, StagedBlob>();
  const find = ({ digest, size }: BlobName): ExportedBlob => {
    const blob = exported.get(digest);
    if (blob === undefined) throw damagedExport(digest, 'the export does not have it');
    if (blob.size !== size) throw damagedExport(digest, `it has ${blob.size} bytes instead of ${size}`);
    return blob;
  };
  const put: Assembly['put'] = async (name, onBytes = () => {}) => {
    const known = done.get(name.digest);
    if (known !== undefined) {
      onBytes(known.size);
      return known;
    }
    const blob = find(name);
    const file = join(folder, hexOf(blob.digest));
    await namingWriteFailures(paths.root, () => joinParts(source, blob, { file, onBytes }));
    const staged = await staging.prepare(file, blob).catch((error: unknown) => {
      if (!(error instanceof RbmResumeError) || error.code !== 'DAMAGED_BLOB') throw error;
      throw damagedExport(blob.digest, 'its parts together are another blob', error);
    });
    done.set(blob.digest, staged);
    return staged;
  };
  const putJson = async (name: BlobName): Promise<void> => {
    if (name.size > MAX_JSON_BYTES)
      throw damagedExport(name.digest, `it is JSON of more than ${MAX_JSON_BYTES} bytes`);
    await put(name);
  };
  const openSnapshot = async (descriptor: Descriptor): Promise<Snapshot> => {
    const entry = entryOf(descriptor);
    if (entry === null) throw damagedExport(descriptor.digest, 'it is no snapshot by its annotations');
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
      throw damagedExport(`${entry.hash}@${entry.generation}`, 'it is no snapshot', cause);
    }
  };
  const putAttestation = async ({ attestation }: Snapshot): Promise<void> => {
    if (attestation === null || attestation.size > MAX_ENVELOPE_BYTES) return;
    if (exported.get(attestation.digest)?.size === attestation.size) await put(attestation);
  };
  return { find, put, openSnapshot, putAttestation };
}

const NO_SNAPSHOT: readonly ErrorCode[] = ['MISSING_BLOB', 'DAMAGED_BLOB', 'DAMAGED_SNAPSHOT'];

async function joinParts(
  source: OpenExport,
  blob: ExportedBlob,
  to: { readonly file: string; readonly onBytes: (count: number) => void },
): Promise<void> {
  const output = await open(to.file, 'wx');
  try {
    for (const part of blob.parts) {
      await source.readPart(part, async (chunk) => {
        await output.writeFile(chunk);
        to.onBytes(chunk.length);
      });
    }
  } finally {
    await output.close();
  }
}
