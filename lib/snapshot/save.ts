import { rename, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { RbmResumeError } from '../errors.js';
import { findChanges, type Changes } from '../layer/changes.js';
import {
  applyLayer,
  describeDifference,
  findDifference,
  nameHardLinks,
  type LayeredTree,
} from '../layer/merge.js';
import { treeDigest } from '../layer/tree-digest.js';
import { writeLayer } from '../layer/write.js';
import { writeListing, type ListingSummary } from '../rootfs/baseline.js';
import { hashRecords, openScan, type ScannedTree } from '../rootfs/scan.js';
import { readXattrs } from '../rootfs/xattrs.js';
import { MEDIA_TYPE } from '../store/oci.js';
import { storePaths, type StorePaths } from '../store/paths.js';
import type { SnapshotRecord } from '../store/record.js';
import { refuseWithoutRoom, withRoom, WRITER_NEED, type Need } from '../store/room.js';
import { withStaging, type StagedBlob, type Staging } from '../store/staging.js';
import type { Trust } from '../trust/judge.js';
import type { Signing } from '../trust/sign.js';
import { ANNOTATION } from './annotations.js';
import { copiesAnnotation, findBaseCopies, memberOf } from './base-copies.js';
import { layerAnnotations, putListing, type PreparedLayer } from './base.js';
import { commitImage } from './image.js';
import { findLower, type Lower, type LowerOptions } from './lower.js';
import { bounded } from './snapshot-layer.js';
import type { Snapshot } from './snapshot.js';
import { namingIoFailures } from '../system-error.js';

export interface SaveOptions extends LowerOptions {
  /** The tree. Nobody may write to it meanwhile. Its files belong to ids of the caller's id map. */
  readonly rootfs: string;
  /** What is known of the build; its hash is the key. */
  readonly record: SnapshotRecord;
  /**
   * The listing of the tree (`writeListing`) when it was as `parent`, or `base`, has it. `null`: nothing is
   * known of its content, so everything is packed.
   */
  readonly baseline: string | null;
  /** Where the listing of the tree goes: the baseline of the next snapshot. @default nowhere */
  readonly listingTo?: string;
  /** Who signs it. @default nobody */
  readonly signing?: Signing;
  /** Of which snapshots it takes the place: those that a job of this policy and class may use. @default all of its hash */
  readonly trust?: Trust;
}

export interface SavedSnapshot {
  readonly snapshot: Snapshot;
  /** What of the tree is not in the snapshot, since no layer can hold it. */
  readonly leftOut: Changes['leftOut'];
  /** Entries of the tree, and how many of them went into the new layer. */
  readonly entries: number;
  readonly changed: number;
  readonly removed: number;
  /** Bytes of the new layer in the store. */
  readonly bytes: number;
  /** Of the file at `listingTo`. */
  readonly listing: ListingSummary;
}

/**
 * Saves a tree as a snapshot: one layer with what has changed, on top of those of the parent or the base. Before anything is
 * saved, what the layers make is compared with the tree; when the promise is fulfilled, the snapshot survives a power
 * cut. On any error the store is as before.
 * @throws RbmResumeError `UNKEEPABLE_NAME`, `BAD_LAYER`, `COMMAND_FAILED` (also when the tree changes meanwhile),
 *   `INEXACT_SNAPSHOT`, `STORE_BUSY`, `STORE_WRITE_FAILED`, and where the parent can't be used as `Snapshot.open`
 */
export function saveSnapshot(store: string, options: SaveOptions): Promise<SavedSnapshot> {
  return namingIoFailures(`saving a snapshot of ${options.rootfs}`, () => saveTree(store, options));
}

async function saveTree(store: string, options: SaveOptions): Promise<SavedSnapshot> {
  const paths = storePaths(store);
  const place = { dir: paths.root, what: 'the snapshot' };
  await refuseWithoutRoom(place, WRITER_NEED);
  return withStaging(paths, async (staging) =>
    withRoom(place, await needOfBase(staging, options), () => saveStaged(paths, staging, options)),
  );
}

async function saveStaged(paths: StorePaths, staging: Staging, options: SaveOptions): Promise<SavedSnapshot> {
  const listingFile = join(staging.dir, 'tree.listing');
  const [listing, xattrs, baseline, lower] = await Promise.all([
    writeListing(options.rootfs, listingFile),
    readXattrs(options.rootfs),
    options.baseline === null ? null : hashRecords(options.baseline),
    findLower(paths, staging, options),
  ]);
  const scan = await openScan(listingFile, xattrs);
  const candidateBytes = lower.base?.size ?? null;
  const changes = await findChanges(scan, { lower: lower.tree, baseline, candidateBytes });
  const place = { dir: paths.root, what: 'the snapshot' };
  const { layer, snapshot } = await withRoom(place, await needOfDelta(options.rootfs, changes), async () => {
    const layer = await packChanges(staging, { ...lower, changes, options });
    await check(scan, { tree: lower.tree, layer });
    const layers = [...lower.layers, layer];
    const { record, signing, trust } = options;
    const signed =
      signing === undefined
        ? {}
        : // The check has put the new layer on top of the lower tree.
          { signed: { by: signing, treeDigest: treeDigest(lower.tree), parent: options.parent ?? null } };
    const image = { staging, record, layers, ...signed, ...(trust === undefined ? {} : { trust }) };
    return { layer, snapshot: await commitImage(paths, image) };
  });
  if (options.listingTo !== undefined) await rename(listingFile, options.listingTo);
  return {
    snapshot,
    leftOut: changes.leftOut,
    entries: changes.entries,
    changed: changes.paths.length,
    removed: changes.removed.length,
    bytes: layer.descriptor.size,
    listing,
  };
}

/** A base on another file system is copied into the store. */
async function needOfBase(staging: Staging, { base, parent }: SaveOptions): Promise<Need> {
  const [tarball, folder] = [base === null || parent ? null : await stat(base), await stat(staging.dir)];
  const isCopied = tarball !== null && tarball.dev !== folder.dev;
  return { ...WRITER_NEED, bytes: WRITER_NEED.bytes + (isCopied ? tarball.size : 0) };
}

/**
 * How well a delta compresses is not known before; a hundredth is less than what zstd ever makes of a build's files. Holes
 * are counted with them, but a tree has no more data than its file system has in use. At most it is all of them with their
 * headers.
 */
async function needOfDelta(rootfs: string, { bytes, paths, entries }: Changes): Promise<Need> {
  const { blocks, bfree, bsize } = await statfs(rootfs);
  return {
    bytes: WRITER_NEED.bytes + Math.ceil(Math.min(bytes, (blocks - bfree) * bsize) / 100),
    inodes: WRITER_NEED.inodes,
    atMost: WRITER_NEED.bytes + bytes + 2048 * paths.length + 200 * entries,
  };
}

async function packChanges(
  staging: Staging,
  of: Lower & { readonly changes: Changes; readonly options: SaveOptions },
): Promise<PreparedLayer> {
  const { changes, options } = of;
  const file = join(staging.dir, 'layer');
  const compression = options.compression ?? 'zstd';
  const copies =
    of.base === null ? [] : await findBaseCopies(options.rootfs, changes.candidates, of.base.file);
  const left = new Set(copies.map(({ path }) => path));
  const paths = changes.paths.filter((path) => !left.has(path));
  const written = await writeLayer(
    options.rootfs,
    { ...changes, paths },
    {
      file,
      compression,
      onProgress: (progress) => options.onProgress?.({ ...progress, what: 'packing', totalBytes: null }),
    },
  );
  const [blob, listing]: [StagedBlob, StagedBlob] = await Promise.all([
    staging.prepare(file),
    putListing(staging, { name: 'layer', members: written.members }),
  ]);
  return {
    descriptor: {
      mediaType: compression === 'zstd' ? MEDIA_TYPE.layerTarZstd : MEDIA_TYPE.layerTarGzip,
      digest: blob.digest,
      size: blob.size,
      annotations: {
        ...layerAnnotations({ diffSize: written.diffSize, listing }),
        ...copiesAnnotation(copies),
        [ANNOTATION.legs]: String(options.record.legs.length),
      },
    },
    diffId: written.diffId,
    blobs: [blob, listing],
    members: () => [written.members, copies.map(memberOf)],
  };
}

/** What was written, read back and merged, must be what is there. */
async function check(
  scan: ScannedTree,
  made: { readonly tree: LayeredTree; readonly layer: PreparedLayer },
): Promise<void> {
  await applyLayer(made.tree, bounded(made.layer.members(), made.tree), Number.MAX_SAFE_INTEGER);
  nameHardLinks(made.tree);
  const difference = await findDifference(made.tree, scan);
  if (difference === null) return;
  const turned = { ...difference, expected: difference.found, found: difference.expected };
  throw new RbmResumeError(
    'INEXACT_SNAPSHOT',
    `the snapshot would not be the tree: in it ${describeDifference(turned)}`,
    {
      hint: 'Nothing was saved, and what is parked stays. Did something write to the tree? Otherwise this is a bug: please report it.',
      fields: { path: difference.path },
    },
  );
}
