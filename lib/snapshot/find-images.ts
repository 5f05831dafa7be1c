import { lstat } from 'node:fs/promises';
import { isDigest, type Digest } from '../digest.js';
import { RbmResumeError } from '../errors.js';
import { blobPath, MAX_JSON_BYTES, openBlob, readBlob, type BlobName } from '../store/blobs.js';
import { namesIn } from '../store/live.js';
import { imageManifestSchema, MEDIA_TYPE, parseJson, type Descriptor } from '../store/oci.js';
import type { StorePaths } from '../store/paths.js';
import { traceTo } from '../trace.js';
import { ANNOTATION } from './annotations.js';
import { subjectOf } from './attested.js';
import { isDefect } from './defect.js';
import { entryAnnotations, entryOf } from './index-entries.js';
import { checkIdentity, listBlobs } from './snapshot-blobs.js';
import { Snapshot, type SnapshotEntry } from './snapshot.js';

const trace = traceTo('snapshot');

/** What an examination says of a snapshot: all of it is there; it is defective; or it can't be read just now. */
export type Condition =
  | { readonly is: 'whole'; readonly snapshot: Snapshot }
  | { readonly is: 'damaged'; readonly reason: string }
  | { readonly is: 'unknown'; readonly reason: string };

/** Reads snapshots through; each blob once, however many of them have it. */
export class Examination {
  readonly #verified = new Map<string, Promise<void>>();

  constructor(
    readonly paths: StorePaths,
    readonly onBytes: (bytes: number) => void = () => {},
  ) {}

  /** Whether everything of a snapshot but its attestation is there and has its digest, and its listings make a tree. */
  async examine(entry: SnapshotEntry): Promise<Condition> {
    try {
      const snapshot = await Snapshot.open(this.paths, withoutAttestation(entry));
      checkIdentity(snapshot);
      const { all, optional } = listBlobs(snapshot);
      for (const name of all) {
        if (optional.has(name.digest) && !(await isThere(this.paths, name.digest))) continue;
        await this.#verify(name);
      }
      await snapshot.tree();
      return { is: 'whole', snapshot };
    } catch (error) {
      if (!(error instanceof RbmResumeError)) throw error;
      return { is: isDefect(error) ? 'damaged' : 'unknown', reason: error.message };
    }
  }

  #verify(name: BlobName): Promise<void> {
    const key = `${name.digest} ${name.size}`;
    const known = this.#verified.get(key) ?? this.#read(name);
    this.#verified.set(key, known);
    return known;
  }

  async #read(name: BlobName): Promise<void> {
    const blob = await openBlob(this.paths, name);
    try {
      await blob.verify();
    } finally {
      await blob.close();
    }
    this.onBytes(name.size);
  }
}

/** An entry that names a wrong one says nothing against the snapshot. */
function withoutAttestation(entry: SnapshotEntry): SnapshotEntry {
  const { attestation, attestationSize } = ANNOTATION;
  const annotations = Object.entries(entry.descriptor.annotations ?? {}).filter(
    ([key]) => key !== attestation && key !== attestationSize,
  );
  return { ...entry, descriptor: { ...entry.descriptor, annotations: Object.fromEntries(annotations) } };
}

const isThere = (paths: StorePaths, digest: Digest): Promise<boolean> =>
  lstat(blobPath(paths, digest)).then(
    () => true,
    () => false,
  );

/** What lies among the blobs, whatever the index says. */
export interface FoundImages {
  /** Manifests of snapshots, with the annotations that their entries shall have. */
  readonly manifests: readonly Descriptor[];
  /** By the digest of a manifest: the attestations that name it, the newest last. Nobody has judged them. */
  readonly attestations: ReadonlyMap<Digest, readonly BlobName[]>;
}

/** Looks through all blobs that may be JSON for manifests of snapshots, and for attestations of them. */
export async function findImages(paths: StorePaths): Promise<FoundImages> {
  const manifests: Descriptor[] = [];
  const attested: { readonly subject: Digest; readonly createdAt: number; readonly blob: BlobName }[] = [];
  for (const name of await namesIn(paths.blobs)) {
    const digest = `sha256:${name}`;
    if (!isDigest(digest)) continue;
    const text = await readIfJson(paths, digest);
    if (text === null) continue;
    const manifest = toEntry(text, digest);
    if (manifest !== null) manifests.push(manifest);
    const statement = subjectOf(text);
    if (statement !== null) attested.push({ ...statement, blob: { digest, size: text.length } });
  }
  const attestations = new Map<Digest, BlobName[]>();
  for (const { subject, blob } of attested.sort((a, b) => a.createdAt - b.createdAt))
    attestations.set(subject, [...(attestations.get(subject) ?? []), blob]);
  return { manifests, attestations };
}

async function readIfJson(paths: StorePaths, digest: Digest): Promise<Buffer | null> {
  try {
    const stats = await lstat(blobPath(paths, digest));
    if (!stats.isFile() || stats.size > MAX_JSON_BYTES) return null;
    const text = await readBlob(paths, { digest, size: stats.size });
    return text[0] === '{'.charCodeAt(0) ? text : null;
  } catch (error) {
    if (!(error instanceof RbmResumeError)) throw error;
    trace('not looked into: %s', error.message);
    return null;
  }
}

function toEntry(text: Buffer, digest: Digest): Descriptor | null {
  const parsed = parseJson(imageManifestSchema, text);
  if (!('value' in parsed)) return null;
  const annotations = entryAnnotations(parsed.value);
  const descriptor = { mediaType: MEDIA_TYPE.manifest, digest, size: text.length, annotations };
  return entryOf(descriptor) === null ? null : descriptor;
}
