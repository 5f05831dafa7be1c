import type { Digest } from '../digest.js';
import { RbmResumeError } from '../errors.js';
import type { BlobName } from '../store/blobs.js';
import { ANNOTATION } from './annotations.js';
import type { Snapshot } from './snapshot.js';
import type { SnapshotLayer } from './snapshot-layer.js';

/** What a snapshot consists of, for those who carry it elsewhere. */
export interface SnapshotBlobs {
  /** Everything, the manifest first; none twice. */
  readonly all: readonly BlobName[];
  /**
   * Those of them without which it can be restored: the base, which somebody may bring, the listings, and the attestation
   * where nobody asks for one.
   */
  readonly optional: ReadonlySet<Digest>;
}

/** The layer that is the base tarball, or `null` when one layer holds everything. */
export function baseLayerOf(snapshot: Snapshot): SnapshotLayer | null {
  const [lowest] = snapshot.layers;
  return lowest?.descriptor.annotations?.[ANNOTATION.base] === undefined ? null : lowest;
}

/** The blobs of a snapshot. */
export function listBlobs(snapshot: Snapshot): SnapshotBlobs {
  const listings = snapshot.layers.flatMap(({ listing }) => listing ?? []);
  const base = baseLayerOf(snapshot);
  const attestations = snapshot.attestation === null ? [] : [snapshot.attestation];
  const all = [
    snapshot.entry.descriptor,
    snapshot.image.manifest.config,
    ...snapshot.layers.map(({ descriptor }) => descriptor),
    ...listings,
    ...attestations,
  ].map(({ digest, size }): [Digest, BlobName] => [digest, { digest, size }]);
  return {
    all: [...new Map(all).values()],
    optional: new Set(
      [...(base === null ? [] : [base.descriptor]), ...listings, ...attestations].map(({ digest }) => digest),
    ),
  };
}

/**
 * Refuses a snapshot whose manifest and record say something else than the index.
 * @throws RbmResumeError `DAMAGED_SNAPSHOT`
 */
export function checkIdentity(snapshot: Snapshot): void {
  const { hash, generation, project } = snapshot.entry;
  const { annotations = {} } = snapshot.image.manifest;
  // Its record is held against the hash where it is read.
  const isSame =
    snapshot.record.project === project &&
    annotations[ANNOTATION.hash] === hash &&
    annotations[ANNOTATION.generation] === String(generation);
  if (isSame) return;
  throw new RbmResumeError(
    'DAMAGED_SNAPSHOT',
    `the snapshot ${hash}@${generation} is another one by its manifest or record`,
    { hint: '`rbm-resume remove` forgets it.', fields: { hash, generation } },
  );
}

/** The seconds that the legs of a snapshot's build have worked together, as its manifest says. */
export function workSecondsOf(annotations: Readonly<Record<string, string>> | undefined): number {
  const text = annotations?.[ANNOTATION.workSeconds] ?? '';
  return /^\d{1,12}$/.test(text) ? Number(text) : 0;
}
