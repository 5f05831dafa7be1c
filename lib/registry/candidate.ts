import type { Digest, ProjectHash } from '../digest.js';
import { entryAnnotations, entryOf } from '../snapshot/index-entries.js';
import { attestationAnnotations } from '../snapshot/image.js';
import { workSecondsOf } from '../snapshot/snapshot-blobs.js';
import type { SnapshotEntry } from '../snapshot/snapshot.js';
import type { BlobName } from '../store/blobs.js';
import { imageManifestSchema, MEDIA_TYPE, parseJson, type ImageManifest } from '../store/oci.js';
import { damagedRemote } from './failures.js';
import type { Remote } from './remote.js';

/** What a tag names, by its manifest: a snapshot of the hash that is looked for. */
export interface Candidate {
  readonly tag: string;
  readonly bytes: Buffer;
  readonly digest: Digest;
  readonly manifest: ImageManifest;
  readonly workSeconds: number;
  /** The entry that an index would have, with an attestation where one is given. */
  entry(attestation: BlobName | null): SnapshotEntry;
}

/**
 * Reads what a tag names.
 * @throws RbmResumeError `DAMAGED_REMOTE` when it is no snapshot, or one of another project hash
 */
export function readCandidate(
  remote: Remote,
  found: { readonly tag: string; readonly bytes: Buffer; readonly digest: Digest },
  hash: ProjectHash,
): Candidate {
  const { tag, bytes, digest } = found;
  const damaged = (what: string) => damagedRemote(remote, tag, { what });
  const parsed = parseJson(imageManifestSchema, bytes);
  if (!('value' in parsed)) throw damaged(`it is no image: ${parsed.problem}`);
  const manifest = parsed.value;
  if (manifest.mediaType !== MEDIA_TYPE.manifest) throw damaged('it is no image of OCI');
  const entry = (attestation: BlobName | null) =>
    entryOf({
      mediaType: MEDIA_TYPE.manifest,
      digest,
      size: bytes.length,
      annotations: { ...entryAnnotations(manifest), ...attestationAnnotations(attestation) },
    });
  const plain = entry(null);
  if (plain === null) throw damaged('it is the image of something else');
  if (plain.hash !== hash) throw damaged(`it is a snapshot of ${plain.hash}`);
  return {
    tag,
    bytes,
    digest,
    manifest,
    workSeconds: workSecondsOf(manifest.annotations),
    entry: (attestation) => entry(attestation) ?? plain,
  };
}
