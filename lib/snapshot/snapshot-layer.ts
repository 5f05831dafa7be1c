import { isDigest, parseDigest, type Digest } from '../digest.js';
import { RbmResumeError } from '../errors.js';
import { layerTooBig } from '../layer/bad-layer.js';
import type { Compression } from '../layer/compression.js';
import { applyLayer, nameHardLinks, type LayeredTree } from '../layer/merge.js';
import { readLayer } from '../layer/read.js';
import { DEFAULT_TAR_LIMITS } from '../layer/tar-limits.js';
import { toLayerMember, type LayerMember, type MemberBatches } from '../layer/whiteout.js';
import { hasBlob, openBlob, type BlobName } from '../store/blobs.js';
import { MEDIA_TYPE, type Descriptor, type ImageConfig, type ImageManifest } from '../store/oci.js';
import type { StorePaths } from '../store/paths.js';
import { ANNOTATION } from './annotations.js';
import { readBaseCopies } from './base-copies.js';
import { readListingBlob } from './base.js';

/** One layer of a snapshot: the base tarball, or what one interruption left behind. */
export interface SnapshotLayer {
  /** From 0, the base (or, without one, everything). */
  readonly number: number;
  readonly descriptor: Descriptor;
  readonly diffId: Digest;
  readonly compression: Compression;
  /** Bytes of the uncompressed archive, where the manifest says it. */
  readonly diffSize: number | null;
  /** The blob that lists its members, where the manifest names one. */
  readonly listing: BlobName | null;
  /** Files that it leaves out since they are copies of the base tarball. */
  readonly baseCopies: readonly LayerMember[];
}

const COMPRESSION_OF: Readonly<Record<string, Compression>> = {
  [MEDIA_TYPE.layerTar]: 'none',
  [MEDIA_TYPE.layerTarGzip]: 'gzip',
  [MEDIA_TYPE.layerTarZstd]: 'zstd',
};

/** Each layer is a descriptor that is open while the tree is restored. One is added when a build is interrupted. */
const MAX_LAYERS = 1000;

/**
 * The layers that an image tells of, from the lowest.
 * @param damaged makes the error that is thrown where it tells of none that can be used
 */
export function layersOf(
  { manifest, config }: { readonly manifest: ImageManifest; readonly config: ImageConfig },
  damaged: (what: string) => RbmResumeError,
): readonly SnapshotLayer[] {
  const { diff_ids: diffIds } = config.rootfs;
  if (diffIds.length > MAX_LAYERS) throw damaged(`it has ${diffIds.length} layers`);
  if (diffIds.length !== manifest.layers.length) throw damaged('layers and diff_ids differ in number');
  return manifest.layers.map((descriptor, number) => {
    const compression = COMPRESSION_OF[descriptor.mediaType];
    const diffId = diffIds[number];
    const baseCopies = readBaseCopies(descriptor);
    if (baseCopies === null) throw damaged(`layer ${number} has an annotation that can't be read`);
    if (compression === undefined || diffId === undefined)
      throw damaged(`layer ${number} is a ${descriptor.mediaType}`);
    return {
      number,
      descriptor,
      diffId,
      compression,
      diffSize: numberOf(descriptor.annotations?.[ANNOTATION.diffSize]),
      listing: listingOf(descriptor),
      baseCopies,
    };
  });
}

/**
 * The members of a layer's archive in their order; from its listing, or where there is none from the layer itself.
 * @throws RbmResumeError `MISSING_BLOB`, `DAMAGED_BLOB`, `BAD_LAYER`
 */
export async function* archivedIn(
  paths: StorePaths,
  layer: SnapshotLayer,
): AsyncGenerator<readonly LayerMember[]> {
  if (layer.listing === null || !(await hasBlob(paths, layer.listing))) yield await readMembers(paths, layer);
  else yield* readListingBlob(paths, layer.listing);
}

/** What one layer brings: the members of its archive, and the copies of the base that it leaves out. */
async function* membersOf(paths: StorePaths, layer: SnapshotLayer): AsyncGenerator<readonly LayerMember[]> {
  yield* archivedIn(paths, layer);
  yield layer.baseCopies;
}

/** The tree that layers make, by path, each entry with the number of its layer. Takes some 250 bytes of memory an entry. */
export async function mergeLayers(paths: StorePaths, layers: readonly SnapshotLayer[]): Promise<LayeredTree> {
  const tree: LayeredTree = new Map();
  for (const layer of layers) await applyLayer(tree, bounded(membersOf(paths, layer), tree), layer.number);
  nameHardLinks(tree);
  return tree;
}

/** No single layer has more entries than its bounds allow; nor may all together. */
export async function* bounded(
  members: MemberBatches,
  tree: LayeredTree,
): AsyncGenerator<readonly LayerMember[]> {
  const { entries } = DEFAULT_TAR_LIMITS;
  let count = tree.size;
  for await (const batch of members) {
    count += batch.length;
    if (count > entries) throw layerTooBig(`the layers have more than ${entries} entries together`);
    yield batch;
  }
}

/**
 * What is in a layer, read from the layer itself after its digest and diffId were checked. Takes the time of unpacking it.
 * @throws RbmResumeError `MISSING_BLOB`, `DAMAGED_BLOB`, `BAD_LAYER`
 */
async function readMembers(paths: StorePaths, layer: SnapshotLayer): Promise<LayerMember[]> {
  const blob = await openBlob(paths, layer.descriptor);
  const members: LayerMember[] = [];
  try {
    await blob.verify();
    const { diffId, diffSize } = await readLayer(blob.handle, layer.compression, {
      onMember: (member) => void members.push(toLayerMember(member)),
    });
    if (diffId !== layer.diffId || (layer.diffSize !== null && diffSize !== layer.diffSize)) {
      throw new RbmResumeError('DAMAGED_BLOB', `${blob.path} unpacks to ${diffId}, not to ${layer.diffId}`, {
        fields: { digest: layer.descriptor.digest, path: blob.path, expected: layer.diffId, found: diffId },
      });
    }
  } finally {
    await blob.close();
  }
  return members;
}

const listingOf = ({ annotations = {} }: Descriptor): BlobName | null =>
  blobNamedBy(annotations, [ANNOTATION.listing, ANNOTATION.listingSize]);

/** The blob that two annotations name, where they do. */
export function blobNamedBy(
  annotations: Readonly<Record<string, string>>,
  keys: readonly [digest: string, size: string],
): BlobName | null {
  const digest = annotations[keys[0]];
  const size = numberOf(annotations[keys[1]]);
  return digest !== undefined && isDigest(digest) && size !== null
    ? { digest: parseDigest(digest), size }
    : null;
}

const numberOf = (text: string | undefined): number | null =>
  text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : null;
