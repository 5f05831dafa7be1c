import type { Readable } from 'node:stream';
import type { Digest, ProjectHash } from '../digest.js';
import { RbmResumeError } from '../errors.js';
import type { LayeredEntry, LayeredTree } from '../layer/merge.js';
import type { LayerMember } from '../layer/whiteout.js';
import { hasBlob, readJsonBlob, type BlobName } from '../store/blobs.js';
import {
  imageConfigSchema,
  imageManifestSchema,
  type Descriptor,
  type ImageConfig,
  type ImageManifest,
} from '../store/oci.js';
import type { StorePaths } from '../store/paths.js';
import { parseSnapshotRecord, type SnapshotRecord } from '../store/record.js';
import { ANNOTATION, RECORD_LABEL } from './annotations.js';
import { openContent } from './content.js';
import { archivedIn, blobNamedBy, layersOf, mergeLayers, type SnapshotLayer } from './snapshot-layer.js';

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
    this.layers = layersOf(image, (what) => this.damaged(what));
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

  /** The members of a layer's archive in their order; from its listing, or where there is none from the layer itself. */
  archived(layer: SnapshotLayer): AsyncGenerator<readonly LayerMember[]> {
    return archivedIn(this.paths, layer);
  }

  /** The whole tree, by path, each entry with the number of its layer. Takes some 250 bytes of memory an entry. */
  tree(): Promise<LayeredTree> {
    return mergeLayers(this.paths, this.layers);
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
  async openFile(path: string): Promise<Readable> {
    return openContent(this, await this.tree(), path);
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
