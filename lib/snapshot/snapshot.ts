import type { Readable } from 'node:stream';
import { isDigest, parseDigest, type Digest, type ProjectHash } from '../digest.js';
import { RbmResumeError } from '../errors.js';
import { layerTooBig } from '../layer/bad-layer.js';
import { DEFAULT_TAR_LIMITS } from '../layer/tar-limits.js';
import type { LayerMember, MemberBatches } from '../layer/whiteout.js';
import { applyLayer, nameHardLinks, type LayeredEntry, type LayeredTree } from '../layer/merge.js';
import type { Compression } from '../layer/compression.js';
import { hasBlob, readJsonBlob, type BlobName } from '../store/blobs.js';
import {
  imageConfigSchema,
  imageManifestSchema,
  MEDIA_TYPE,
  type Descriptor,
  type ImageConfig,
  type ImageManifest,
} from '../store/oci.js';
import type { StorePaths } from '../store/paths.js';
import { parseSnapshotRecord, type SnapshotRecord } from '../store/record.js';
import { ANNOTATION, RECORD_LABEL } from './annotations.js';
import { readBaseCopies } from './base-copies.js';
import { readListingBlob } from './base.js';
import { openContent } from './content.js';
import { readLayerMembersOf } from './layer-members.js';

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

/** What the index says of a snapshot: enough to choose one. */
export interface SnapshotEntry {
  readonly hash: ProjectHash;
  /** Counts the snapshots under one hash, from 1. */
  readonly generation: number;
  readonly digest: Digest;
  /** The name by which `skopeo` finds it: `oci:STORE:REF`. */
  readonly ref: string | null;
  readonly project: string;
  readonly descriptor: Descriptor;
}

const COMPRESSION_OF: Readonly<Record<string, Compression>> = {
  [MEDIA_TYPE.layerTar]: 'none',
  [MEDIA_TYPE.layerTarGzip]: 'gzip',
  [MEDIA_TYPE.layerTarZstd]: 'zstd',
};

/** Each layer is a descriptor that is open while the tree is restored. One is added when a build is interrupted. */
const MAX_LAYERS = 1000;

/**
 * A snapshot in a store: the root filesystem of an interrupted build. Nothing of it is in memory but its manifest; what is
 * read is checked against its digest each time.
 */
export class Snapshot {
  readonly layers: readonly SnapshotLayer[];

  private constructor(
    readonly paths: StorePaths,
    readonly entry: SnapshotEntry,
    readonly image: { readonly manifest: ImageManifest; readonly config: ImageConfig },
  ) {
    const { manifest, config } = image;
    const { diff_ids: diffIds } = config.rootfs;
    if (diffIds.length > MAX_LAYERS) throw this.damaged(`it has ${diffIds.length} layers`);
    if (diffIds.length !== manifest.layers.length) throw this.damaged('layers and diff_ids differ in number');
    this.layers = manifest.layers.map((descriptor, number) => {
      const compression = COMPRESSION_OF[descriptor.mediaType];
      const diffId = diffIds[number];
      const baseCopies = readBaseCopies(descriptor);
      if (baseCopies === null) throw this.damaged(`layer ${number} has an annotation that can't be read`);
      if (compression === undefined || diffId === undefined)
        throw this.damaged(`layer ${number} is a ${descriptor.mediaType}`);
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

  /** @throws RbmResumeError `MISSING_BLOB`, `DAMAGED_BLOB`, `DAMAGED_SNAPSHOT` */
  static async open(paths: StorePaths, entry: SnapshotEntry): Promise<Snapshot> {
    const manifest = await readJsonBlob(paths, entry.descriptor, imageManifestSchema);
    const config = await readJsonBlob(paths, manifest.config, imageConfigSchema);
    return new Snapshot(paths, entry, { manifest, config });
  }

  get hash(): ProjectHash {
    return this.entry.hash;
  }

  get generation(): number {
    return this.entry.generation;
  }

  get digest(): Digest {
    return this.entry.digest;
  }

  /** The blob with the signed statement on it, where the index names one. */
  get attestation(): BlobName | null {
    const { annotations = {} } = this.entry.descriptor;
    return blobNamedBy(annotations, [ANNOTATION.attestation, ANNOTATION.attestationSize]);
  }

  /** Bytes of all layers as they lie in the store. */
  get size(): number {
    return this.layers.reduce((sum, { descriptor }) => sum + descriptor.size, 0);
  }

  /**
   * What is known of the build.
   * @throws RbmResumeError `DAMAGED_SNAPSHOT`
   */
  get record(): SnapshotRecord {
    const label = this.image.config.config?.Labels?.[RECORD_LABEL];
    const record = label === undefined ? null : parseSnapshotRecord(label);
    if (record === null) throw this.damaged('its config has no record of the build that can be read');
    if (record.hash !== this.hash)
      throw this.damaged(`its record belongs to the project hash ${record.hash}`);
    return record;
  }

  /** Whether the base tarball lies in the store; without it, somebody has to bring the identical one. */
  hasBase(): Promise<boolean> {
    const [base] = this.layers;
    return base === undefined ? Promise.resolve(true) : hasBlob(this.paths, base.descriptor);
  }

  /** What one layer brings: the members of its archive, and the copies of the base that it leaves out. */
  async *members(layer: SnapshotLayer): AsyncGenerator<readonly LayerMember[]> {
    yield* this.archived(layer);
    yield layer.baseCopies;
  }

  /** The members of a layer's archive in their order; from its listing, or where there is none from the layer itself. */
  async *archived(layer: SnapshotLayer): AsyncGenerator<readonly LayerMember[]> {
    if (layer.listing === null || !(await hasBlob(this.paths, layer.listing))) {
      yield await readLayerMembersOf(this.paths, layer);
      return;
    }
    yield* readListingBlob(this.paths, layer.listing);
  }

  /** The whole tree, by path, each entry with the number of its layer. Takes some 250 bytes of memory an entry. */
  async tree(): Promise<LayeredTree> {
    const tree: LayeredTree = new Map();
    for (const layer of this.layers) await applyLayer(tree, bounded(this.members(layer), tree), layer.number);
    nameHardLinks(tree);
    return tree;
  }

  /** The entries of the tree, sorted by path. */
  async *entries(): AsyncGenerator<LayeredEntry> {
    const tree = await this.tree();
    for (const path of [...tree.keys()].sort()) {
      const entry = tree.get(path);
      if (entry !== undefined) yield entry;
    }
  }

  /**
   * The content of a regular file as a stream; symbolic links are not followed. Its layer is checked against digest and
   * diffId first.
   * @param path one byte a character, see `Entry`
   * @throws RbmResumeError `NO_SUCH_FILE`
   */
  openFile(path: string): Promise<Readable> {
    return openContent(this, path);
  }

  /** The content of a regular file, which must fit into memory. @throws RbmResumeError `NO_SUCH_FILE` */
  async readFile(path: string): Promise<Buffer> {
    const chunks: Buffer[] = [];
    for await (const chunk of (await this.openFile(path)) as AsyncIterable<Buffer>) chunks.push(chunk);
    return Buffer.concat(chunks);
  }

  private damaged(what: string): RbmResumeError {
    const { hash, generation } = this.entry;
    return new RbmResumeError(
      'DAMAGED_SNAPSHOT',
      `the snapshot ${hash}@${generation} can't be used: ${what}`,
      {
        hint: 'Builds start clean instead. `rbm-resume remove` forgets it.',
        fields: { hash, generation },
      },
    );
  }
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

const listingOf = ({ annotations = {} }: Descriptor): BlobName | null =>
  blobNamedBy(annotations, [ANNOTATION.listing, ANNOTATION.listingSize]);

function blobNamedBy(
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
