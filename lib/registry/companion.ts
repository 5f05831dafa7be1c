import { hexOf, type Digest } from '../digest.js';
import { CREATED } from '../snapshot/annotations.js';
import type { Snapshot } from '../snapshot/snapshot.js';
import type { BlobName } from '../store/blobs.js';
import {
  imageManifestSchema,
  MEDIA_TYPE,
  parseJson,
  type Descriptor,
  type ImageManifest,
} from '../store/oci.js';
import { MAX_ENVELOPE_BYTES } from '../trust/dsse.js';

/**
 * What belongs to a snapshot and is no layer of its image: the attestations and the listings. skopeo copies images and nothing
 * beside them, so these travel as an artifact of their own. Source: OCI image-spec v1.1, manifest.md, "Guidelines for Artifact Usage".
 */
export interface Companion {
  /** Signed statements on the snapshot; of several signers where they differ. */
  readonly attestations: readonly BlobName[];
  readonly listings: readonly BlobName[];
  /** Milliseconds since 1970, where it says when it was made. */
  readonly createdAt: number | null;
}

const TYPE = {
  artifact: 'application/vnd.rbm-resume.companion.v1',
  attestation: 'application/vnd.dsse.envelope.v1+json',
  listing: 'application/vnd.rbm-resume.listing.v1+zstd',
} as const;

/** The config of an artifact that has none. Source: OCI image-spec v1.1, manifest.md. */
const EMPTY_CONFIG = { mediaType: 'application/vnd.oci.empty.v1+json', text: '{}' } as const;

/** So many attestations are looked at; whoever writes to a registry may write any number. */
const MAX_ATTESTATIONS = 16;

/** A listing takes some 30 bytes an entry; more than this in all is not fetched, in bytes. */
const MAX_COMPANION_BYTES = 256 * 1024 * 1024;

/** What the companion of a snapshot has to hold: what lies in the store. */
export const companionOf = (snapshot: Snapshot): Omit<Companion, 'createdAt'> => ({
  attestations: snapshot.attestation === null ? [] : [snapshot.attestation],
  listings: snapshot.layers.flatMap(({ listing }) => listing ?? []),
});

/** Writes the manifest of a companion. `putBlob` keeps a blob and names it. */
export async function writeCompanion(
  { attestations, listings }: Omit<Companion, 'createdAt'>,
  putBlob: (data: string) => Promise<BlobName>,
): Promise<BlobName> {
  const config = { mediaType: EMPTY_CONFIG.mediaType, ...(await putBlob(EMPTY_CONFIG.text)) };
  const layers = [
    ...attestations.map((name) => toLayer(name, TYPE.attestation)),
    ...listings.map((name) => toLayer(name, TYPE.listing)),
  ];
  const manifest: ImageManifest & { readonly artifactType: string } = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPE.manifest,
    artifactType: TYPE.artifact,
    config,
    // Layers are only read by name, and some registries take no manifest without any.
    layers: layers.length === 0 ? [config] : [...uniqueBy(layers)],
    annotations: { [CREATED]: new Date().toISOString() },
  };
  return putBlob(JSON.stringify(manifest));
}

const toLayer = ({ digest, size }: BlobName, mediaType: string): Descriptor => ({ mediaType, digest, size });

const uniqueBy = (layers: readonly Descriptor[]): Iterable<Descriptor> =>
  new Map(layers.map((layer) => [hexOf(layer.digest), layer])).values();

/** Reads the manifest of a companion, whoever made it; `null` when these are not the bytes of one, or it is too large. */
export function readCompanion(bytes: Buffer): Companion | null {
  const parsed = parseJson(imageManifestSchema, bytes);
  if (!('value' in parsed)) return null;
  const { layers, annotations = {} } = parsed.value;
  if (layers.reduce((sum, { size }) => sum + size, 0) > MAX_COMPANION_BYTES) return null;
  const ofType = (type: string) => layers.filter(({ mediaType }) => mediaType === type);
  const createdAt = Date.parse(annotations[CREATED] ?? '');
  return {
    attestations: ofType(TYPE.attestation)
      .filter(({ size }) => size <= MAX_ENVELOPE_BYTES)
      .slice(0, MAX_ATTESTATIONS),
    listings: ofType(TYPE.listing),
    createdAt: Number.isNaN(createdAt) ? null : createdAt,
  };
}

/** What `own` has and `other` has not. */
export const lacking = (own: readonly BlobName[], other: readonly BlobName[]): BlobName[] => {
  const has = new Set<Digest>(other.map(({ digest }) => digest));
  return own.filter(({ digest }) => !has.has(digest));
};
