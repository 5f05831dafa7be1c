/* eslint @typescript-eslint/no-unsafe-assignment: off, @typescript-eslint/no-unsafe-member-access: off, @typescript-eslint/no-unsafe-return: off, @typescript-eslint/no-unsafe-call: off, @typescript-eslint/no-explicit-any: off -- whoever poisons a cache keeps to no types */
import { createHash } from 'node:crypto';
import { cpSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** OCI JSON as it stands in the files; whoever poisons a store does not keep to its types. */
export interface Json {
  [key: string]: any;
}

/** The blobs of a snapshot that was packed once on its base. */
export const BLOBS = ['manifest', 'config', 'base', 'delta', 'base listing', 'delta listing'] as const;
export type BlobKind = (typeof BLOBS)[number];

const RECORD = 'org.rbm-resume.record';
const DIFF_SIZE = 'org.rbm-resume.diff-size';
const LISTING = 'org.rbm-resume.listing';

/**
 * A store with one snapshot, as somebody who may write to the cache can change it: blobs with and without the right digests.
 * Nothing of the package takes part.
 */
export class PoisonedStore {
  constructor(readonly dir: string) {}

  /** Puts a copy of another store in its place. */
  reset(pristine: string): void {
    rmSync(this.dir, { recursive: true, force: true });
    cpSync(pristine, this.dir, { recursive: true });
  }

  get indexFile(): string {
    return join(this.dir, 'index.json');
  }

  blobFile(kind: BlobKind): string {
    const manifest = this.#manifest();
    const [base, delta] = manifest.layers as [Json, Json];
    const digest = {
      manifest: this.#entry().digest,
      config: manifest.config.digest,
      base: base.digest,
      delta: delta.digest,
      'base listing': base.annotations[LISTING],
      'delta listing': delta.annotations[LISTING],
    }[kind] as string;
    return this.#fileOf(digest);
  }

  /** Changes the index, as text that need not be JSON. */
  writeIndex(text: string): void {
    writeFileSync(this.indexFile, text);
  }

  editIndex(edit: (index: Json) => void): void {
    const index = this.#read(this.indexFile);
    edit(index);
    this.writeIndex(JSON.stringify(index));
  }

  /** A new manifest with the right digest in the index. */
  editManifest(edit: (manifest: Json) => void): void {
    const manifest = this.#manifest();
    edit(manifest);
    this.replaceManifest(JSON.stringify(manifest));
  }

  replaceManifest(text: string | Buffer): void {
    const put = this.#put(text);
    this.editIndex((index) => Object.assign(index.manifests[0], put));
  }

  editConfig(edit: (config: Json) => void): void {
    const config = this.#read(this.blobFile('config'));
    edit(config);
    this.replaceConfig(JSON.stringify(config));
  }

  replaceConfig(text: string | Buffer): void {
    const put = this.#put(text);
    this.editManifest((manifest) => Object.assign(manifest.config, put));
  }

  /** `edit` gives the text of the new record, since JSON can say more than a value of JavaScript. */
  editRecord(edit: (record: Json, text: string) => string | undefined): void {
    this.editConfig((config) => {
      const labels = config.config.Labels as Record<string, string>;
      const record = JSON.parse(String(labels[RECORD])) as Json;
      labels[RECORD] = edit(record, String(labels[RECORD])) ?? JSON.stringify(record);
    });
  }

  /** Another layer in the place of the delta, under its own digest. */
  replaceDelta(data: Buffer, of: { readonly diffSize?: number; readonly hasListing?: boolean } = {}): void {
    const put = this.#put(data);
    this.editManifest((manifest) => {
      const layer = Object.assign(manifest.layers[1], put) as Json;
      if (of.diffSize !== undefined) layer.annotations[DIFF_SIZE] = String(of.diffSize);
      if (of.hasListing === false) delete layer.annotations[LISTING];
    });
  }

  /** Another listing for the delta, under its own digest. */
  replaceListing(data: Buffer): void {
    const { digest, size } = this.#put(data);
    this.editManifest((manifest) =>
      Object.assign(manifest.layers[1].annotations, { [LISTING]: digest, [`${LISTING}-size`]: String(size) }),
    );
  }

  #put(data: string | Buffer): { digest: string; size: number } {
    const digest = `sha256:${createHash('sha256').update(data).digest('hex')}`;
    writeFileSync(this.#fileOf(digest), data);
    return { digest, size: statSync(this.#fileOf(digest)).size };
  }

  #entry(): Json {
    return this.#read(this.indexFile).manifests[0] as Json;
  }

  #manifest(): Json {
    return this.#read(this.#fileOf(this.#entry().digest as string));
  }

  #fileOf(digest: string): string {
    return join(this.dir, 'blobs', 'sha256', digest.slice('sha256:'.length));
  }

  #read(file: string): Json {
    return JSON.parse(readFileSync(file, 'utf8')) as Json;
  }
}
