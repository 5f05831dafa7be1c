import type { Digest, ProjectHash } from '../digest.js';
import { sizeOf, typeOf } from '../rootfs/entry.js';
import { hasBlob } from '../store/blobs.js';
import type { Leg } from '../store/record.js';
import { ANNOTATION } from './annotations.js';
import { sumGrowth, type Growth } from './growth.js';
import type { Snapshot } from './snapshot.js';
import type { SnapshotLayer } from './snapshot-layer.js';
import { namingIoFailures } from '../system-error.js';

/** One layer of a snapshot, for a person to look at. */
export interface InspectedLayer {
  /** From 0, the lowest. */
  readonly number: number;
  readonly digest: Digest;
  readonly diffId: Digest;
  readonly mediaType: string;
  /** Bytes of the blob. */
  readonly size: number;
  /** Bytes of the uncompressed archive, where the manifest says it. */
  readonly diffSize: number | null;
  /** Members of its archive, without the whiteouts. */
  readonly entries: number;
  readonly whiteouts: number;
  /** Whether it is the container image's tarball. */
  readonly isBase: boolean;
  /** Whether the blob is in the store, with the right size. */
  readonly isPresent: boolean;
}

/** All that is known of a snapshot without unpacking a layer. */
export interface InspectedSnapshot {
  readonly hash: ProjectHash;
  readonly generation: number;
  readonly ref: string | null;
  readonly digest: Digest;
  readonly project: string;
  readonly version: string | null;
  readonly step: string | null;
  readonly targets: readonly string[];
  readonly legs: readonly Leg[];
  /** When the tree was parked, ISO 8601. */
  readonly createdAt: string;
  readonly layers: readonly InspectedLayer[];
  /** Bytes of all layers as they lie in the store. */
  readonly size: number;
  /** Entries of the whole tree, and the bytes of its regular files, each counted once whatever names it has. */
  readonly entries: number;
  readonly bytes: number;
  /** What the newest layer brought, by directory. */
  readonly grew: Growth;
}

/**
 * Tells all about a snapshot. Reads the listings of its layers, not the layers.
 * @throws RbmResumeError `MISSING_BLOB`, `DAMAGED_BLOB`, `BAD_LAYER`, `DAMAGED_SNAPSHOT`
 */
export function inspectSnapshot(snapshot: Snapshot): Promise<InspectedSnapshot> {
  return namingIoFailures(`looking at ${snapshot.hash}`, () => describeSnapshot(snapshot));
}

async function describeSnapshot(snapshot: Snapshot): Promise<InspectedSnapshot> {
  const { record, entry } = snapshot;
  const layers = [];
  for (const layer of snapshot.layers) layers.push(await inspectLayer(snapshot, layer));
  let [entries, bytes] = [0, 0];
  for (const one of (await snapshot.tree()).values()) {
    entries += 1;
    if (typeOf(one) === 'f' && (one.link === '' || one.link === one.path)) bytes += sizeOf(one);
  }
  const newest = snapshot.layers.at(-1);
  return {
    hash: snapshot.hash,
    generation: snapshot.generation,
    ref: entry.ref,
    digest: snapshot.digest,
    project: record.project,
    version: record.version,
    step: record.step,
    targets: record.targets,
    legs: record.legs,
    createdAt: record.parkedAt,
    layers,
    size: snapshot.size,
    entries,
    bytes,
    grew: await sumGrowth(newest === undefined ? [] : snapshot.archived(newest)),
  };
}

async function inspectLayer(snapshot: Snapshot, layer: SnapshotLayer): Promise<InspectedLayer> {
  const { number, descriptor, diffId, diffSize } = layer;
  let [entries, whiteouts] = [0, 0];
  for await (const members of snapshot.archived(layer)) {
    const hidden = members.filter(({ type }) => type === 'w' || type === 'o').length;
    whiteouts += hidden;
    entries += members.length - hidden;
  }
  return {
    number,
    digest: descriptor.digest,
    diffId,
    mediaType: descriptor.mediaType,
    size: descriptor.size,
    diffSize,
    entries,
    whiteouts,
    isBase: number === 0 && descriptor.annotations?.[ANNOTATION.base] !== undefined,
    isPresent: await hasBlob(snapshot.paths, descriptor),
  };
}
