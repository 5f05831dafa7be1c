import { readdirSync, lstatSync } from 'node:fs';
import { mkdir, open, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { digestOf, hexOf, type Digest } from '../digest.js';
import type { BlobSource } from '../snapshot/assemble.js';
import { blobPath, hasBlob, hashFile, type BlobName } from '../store/blobs.js';
import { MEDIA_TYPE, REF_NAME, type Descriptor } from '../store/oci.js';
import type { StorePaths } from '../store/paths.js';
import { linkOrCopy, type Staging } from '../store/staging.js';
import { namingWriteFailures } from '../store/write-failure.js';
import { damagedRemote } from './failures.js';
import type { Remote } from './remote.js';
import { LAYOUT } from './skopeo.js';

/**
 * An OCI image layout in a staging folder, for skopeo to read from and write to: never the store itself, whose index and blobs are
 * ours alone. Blobs of the store are hard links there, so nothing is copied, and what the layout has does not travel.
 */
export class StagedLayout {
  readonly cwd: string;
  readonly blobs: string;

  private constructor(
    private readonly paths: StorePaths,
    staging: Staging,
  ) {
    this.cwd = staging.dir;
    this.blobs = join(staging.dir, LAYOUT, 'blobs', 'sha256');
  }

  /** Makes an empty one. @throws RbmResumeError `STORE_WRITE_FAILED` */
  static make(paths: StorePaths, staging: Staging): Promise<StagedLayout> {
    return namingWriteFailures(paths.root, async () => {
      const layout = new StagedLayout(paths, staging);
      await mkdir(layout.blobs, { recursive: true });
      const version = JSON.stringify({ imageLayoutVersion: '1.0.0' });
      await writeFile(join(staging.dir, LAYOUT, 'oci-layout'), version);
      return layout;
    });
  }

  /** What the store has of these, as hard links; of the others, nothing. */
  async link(names: readonly BlobName[]): Promise<void> {
    for (const name of names) {
      const file = join(this.blobs, hexOf(name.digest));
      if (this.sizeOf(name.digest) !== undefined || !(await hasBlob(this.paths, name))) continue;
      await linkOrCopy(blobPath(this.paths, name.digest), file);
    }
  }

  /**
   * A hard link to a file from elsewhere, where it holds that very blob: its sha256 is taken first, since a layout whose blob is
   * another one would count as damage of the registry.
   * @returns whether it does
   */
  async linkFile(name: BlobName, path: string): Promise<boolean> {
    const file = await open(path, 'r').catch(() => null);
    if (file === null) return false;
    try {
      if ((await file.stat()).size !== name.size || (await hashFile(file)).digest !== name.digest)
        return false;
    } finally {
      await file.close();
    }
    await linkOrCopy(path, join(this.blobs, hexOf(name.digest)));
    return true;
  }

  /** Writes a small blob. */
  async put(data: string | Uint8Array): Promise<BlobName> {
    const digest = digestOf(data);
    const file = join(this.blobs, hexOf(digest));
    // A link to a blob of the store is not written into.
    await rm(file, { force: true });
    await namingWriteFailures(this.paths.root, () => writeFile(file, data, { flag: 'wx' }));
    return { digest, size: Buffer.byteLength(data) };
  }

  /** Names the images that skopeo may read. */
  async name(images: Readonly<Record<string, BlobName>>): Promise<void> {
    const manifests = Object.entries(images).map(([name, { digest, size }]): Descriptor => ({
      mediaType: MEDIA_TYPE.manifest,
      digest,
      size,
      annotations: { [REF_NAME]: name },
    }));
    const index = JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPE.index, manifests });
    const file = join(this.cwd, LAYOUT, 'index.json');
    await namingWriteFailures(this.paths.root, () => writeFile(file, index));
  }

  /** Bytes of a blob that lies here as a regular file. */
  sizeOf(digest: Digest): number | undefined {
    const stats = lstatSync(join(this.blobs, hexOf(digest)), { throwIfNoEntry: false });
    return stats?.isFile() ? stats.size : undefined;
  }

  get digests(): string[] {
    return readdirSync(this.blobs).map((hex) => `sha256:${hex}`);
  }

  /** Its blobs, which came from a registry, for what takes them into the store; each is read through first. */
  source(remote: Remote): BlobSource {
    return {
      isOnDisk: true,
      sizeOf: (digest) => this.sizeOf(digest),
      write: () => Promise.resolve(),
      damaged: (name, what, cause) => damagedRemote(remote, name, { what, cause }),
    };
  }
}
