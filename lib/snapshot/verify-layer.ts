import { hexOf, type Digest } from '../digest.js';
import { RbmResumeError } from '../errors.js';
import { formatListingRecord } from '../layer/listing-record.js';
import { readLayer } from '../layer/read.js';
import { watchPositions } from '../layer/read-position.js';
import { toLayerMember } from '../layer/whiteout.js';
import { lstat } from 'node:fs/promises';
import { blobPath, hasBlob, openBlob, type VerifiedBlob } from '../store/blobs.js';
import type { StorePaths } from '../store/paths.js';
import { shownPath } from '../rootfs/entry.js';
import { ANNOTATION } from './annotations.js';
import { readListingBlob } from './base.js';
import type { SnapshotProgress } from './progress.js';
import type { Snapshot } from './snapshot.js';
import type { SnapshotLayer } from './snapshot-layer.js';

/** Checks layers and their listings; what several snapshots share is read once. */
export class LayerCheck {
  readonly #checked = new Map<string, Promise<void>>();
  readonly #hashed = new Set<Digest>();
  #bytes = 0;
  #entries = 0;

  constructor(
    readonly paths: StorePaths,
    readonly options: {
      readonly readData?: boolean;
      readonly onProgress?: (progress: SnapshotProgress) => void;
      readonly totalBytes: number;
    },
  ) {}

  /** Whether there is anything in the place of the base; without one it has been left out, or nobody can tell. */
  async isBaseThere({ layers: [base] }: Snapshot): Promise<boolean> {
    if (base?.descriptor.annotations?.[ANNOTATION.base] === undefined) return true;
    return lstat(blobPath(this.paths, base.descriptor.digest)).then(
      () => true,
      () => false,
    );
  }

  /** Whether the digest of a blob has been checked. */
  hasRead(digest: Digest): boolean {
    return this.#hashed.has(digest);
  }

  /** @throws RbmResumeError `MISSING_BLOB`, `DAMAGED_BLOB` */
  async hash(digest: Digest): Promise<void> {
    const { size } = await lstat(blobPath(this.paths, digest));
    const blob = await openBlob(this.paths, { digest, size });
    try {
      await this.#verify(blob);
    } finally {
      await blob.close();
    }
    this.#tell(size);
  }

  /** @throws RbmResumeError `MISSING_BLOB`, `DAMAGED_BLOB` */
  checkListing({ listing }: SnapshotLayer): Promise<void> {
    if (listing === null) return Promise.resolve();
    return this.#once(`listing ${listing.digest} ${listing.size}`, async () => {
      const blob = await openBlob(this.paths, listing);
      try {
        await this.#verify(blob);
      } finally {
        await blob.close();
      }
      this.#tell(listing.size);
    });
  }

  /** @throws RbmResumeError `MISSING_BLOB`, `DAMAGED_BLOB`, `BAD_LAYER`, `LAYER_TOO_BIG`, `COMMAND_FAILED` */
  checkLayer(layer: SnapshotLayer): Promise<void> {
    const { descriptor, diffId, diffSize, listing } = layer;
    const key = [descriptor.digest, descriptor.size, diffId, diffSize, listing?.digest].join(' ');
    return this.#once(`layer ${key}`, async () => {
      const blob = await openBlob(this.paths, descriptor);
      try {
        if (this.options.readData === true) await this.#readThrough(blob, layer);
      } finally {
        await blob.close();
      }
    });
  }

  async #readThrough(blob: VerifiedBlob, layer: SnapshotLayer): Promise<void> {
    await this.#verify(blob);
    const members: string[] = [];
    const done = this.#bytes;
    const { diffId, diffSize } = await watchPositions(
      [blob.handle.fd],
      (bytes) => this.#report(done + bytes),
      () =>
        readLayer(blob.handle, layer.compression, {
          onMember: (member) => void members.push(formatListingRecord(toLayerMember(member))),
        }),
    );
    this.#entries += members.length;
    this.#tell(blob.size);
    if (diffId !== layer.diffId || (layer.diffSize !== null && diffSize !== layer.diffSize)) {
      const [expected, found] = [
        `${layer.diffId} (${layer.diffSize} bytes)`,
        `${diffId} (${diffSize} bytes)`,
      ];
      throw new RbmResumeError('DAMAGED_BLOB', `${blob.path} unpacks to ${found}, not to ${expected}`, {
        fields: { digest: blob.digest, path: blob.path, expected, found },
      });
    }
    await this.#compareListing(layer, members);
  }

  async #compareListing({ listing, descriptor }: SnapshotLayer, members: readonly string[]): Promise<void> {
    // A listing that is not there has been told of.
    if (listing === null || !(await hasBlob(this.paths, listing))) return;
    let number = 0;
    for await (const batch of readListingBlob(this.paths, listing)) {
      for (const member of batch) {
        if (members[number] !== formatListingRecord(member)) {
          const what = `has ${shownPath(member.path)} otherwise`;
          throw wrongListing(listing.digest, descriptor.digest, what);
        }
        number += 1;
      }
    }
    if (number !== members.length)
      throw wrongListing(listing.digest, descriptor.digest, `has ${number} members, not ${members.length}`);
  }

  #once(key: string, work: () => Promise<void>): Promise<void> {
    const known = this.#checked.get(key) ?? work();
    this.#checked.set(key, known);
    return known;
  }

  async #verify(blob: VerifiedBlob): Promise<void> {
    this.#hashed.add(blob.digest);
    await blob.verify();
  }

  #tell(bytes: number): void {
    this.#bytes += bytes;
    this.#report(this.#bytes);
  }

  #report(bytes: number): void {
    const { onProgress, readData, totalBytes } = this.options;
    if (readData === true) onProgress?.({ what: 'verifying', bytes, entries: this.#entries, totalBytes });
  }
}

const wrongListing = (listing: Digest, layer: Digest, what: string): RbmResumeError =>
  new RbmResumeError('BAD_LAYER', `the listing ${hexOf(listing)} of the layer ${hexOf(layer)} ${what}`, {
    fields: { digest: listing },
  });
