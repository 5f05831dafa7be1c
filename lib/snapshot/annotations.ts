import { OWN_ANNOTATION_PREFIX } from '../store/oci.js';

/** When it was made. Source: OCI image-spec v1.1, annotations.md. */
export const CREATED = 'org.opencontainers.image.created';

/** What the entries of the index, the manifests and the layers say of themselves beside what OCI has. */
export const ANNOTATION = {
  project: `${OWN_ANNOTATION_PREFIX}project`,
  hash: `${OWN_ANNOTATION_PREFIX}hash`,
  generation: `${OWN_ANNOTATION_PREFIX}generation`,
  step: `${OWN_ANNOTATION_PREFIX}step`,
  /** How often the build was interrupted (of a layer: until it was written), and how long its legs worked together, in seconds. */
  legs: `${OWN_ANNOTATION_PREFIX}legs`,
  workSeconds: `${OWN_ANNOTATION_PREFIX}work-seconds`,
  /** Of an entry of the index: the blob with the signed statement on the snapshot, and that blob's size in bytes. */
  attestation: `${OWN_ANNOTATION_PREFIX}attestation`,
  attestationSize: `${OWN_ANNOTATION_PREFIX}attestation-size`,
  /** What wrote it. */
  writer: `${OWN_ANNOTATION_PREFIX}writer`,
  /** Of a layer: bytes of the uncompressed archive. */
  diffSize: `${OWN_ANNOTATION_PREFIX}diff-size`,
  /** Of a layer: the blob that lists its members, and that blob's size in bytes. */
  listing: `${OWN_ANNOTATION_PREFIX}listing`,
  listingSize: `${OWN_ANNOTATION_PREFIX}listing-size`,
  /**
   * Of a layer above the base: files that it does not hold since they are copies of the base tarball itself, as JSON
   * (rbm copies every input into the container, the image among them).
   */
  baseCopies: `${OWN_ANNOTATION_PREFIX}base-copies`,
  /** Of a base layer: the name of the tarball, and the hex digits of its sha256 where it had to be compressed anew. */
  base: `${OWN_ANNOTATION_PREFIX}base`,
  baseSource: `${OWN_ANNOTATION_PREFIX}base-source`,
} as const;

/** What an entry of the index has of them: a copy of what its manifest says, and who vouches for it. */
export const ENTRY_ANNOTATIONS: readonly string[] = [
  ANNOTATION.project,
  ANNOTATION.hash,
  ANNOTATION.generation,
  ANNOTATION.attestation,
  ANNOTATION.attestationSize,
];

/** The label of the image's config that has the record of the build, as JSON. */
export const RECORD_LABEL = `${OWN_ANNOTATION_PREFIX}record`;
