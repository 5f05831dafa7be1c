import { join } from 'node:path';
import type { Digest } from '../digest.js';
import { RbmResumeError } from '../errors.js';
import { syncDirectory, writeFileDurably } from '../store/atomic-write.js';
import { hasBlob, MAX_JSON_BYTES, openBlob, type BlobName, type VerifiedBlob } from '../store/blobs.js';
import { storePaths } from '../store/paths.js';
import type { Need } from '../store/room.js';
import { sealJson } from '../store/sealed-json.js';
import { namingWriteFailures } from '../store/write-failure.js';
import { planParts, writeBlob } from './export-blob.js';
import { withExportDirectory } from './export-directory.js';
import {
  DEFAULT_PART_BYTES,
  EXPORT_FORMAT,
  EXPORT_MANIFEST,
  type ExportedBlob,
  type ExportManifest,
  type TransferProgress,
} from './export-format.js';
import { chooseSnapshot, listSnapshots } from './open-store.js';
import { baseLayerOf, checkIdentity, listBlobs } from './snapshot-blobs.js';
import { openListed, tellingFirstReplacement } from './replaced.js';
import type { Snapshot, SnapshotEntry } from './snapshot.js';
import { namingIoFailures } from '../system-error.js';
import { VERSION } from '../version.js';

export interface ExportOptions {
  /** Which snapshots, named as for `SnapshotStore.open`. @default the newest of every hash */
  readonly names?: readonly string[];
  /** Takes all generations where no name says which one. @default false */
  readonly allGenerations?: boolean;
  /** No file of the export but its manifest is larger, in bytes. @default {@link DEFAULT_PART_BYTES} */
  readonly maxPartSize?: number;
  /** Leaves the bases out: whoever restores has to bring the identical tarballs. @default false */
  readonly withoutBase?: boolean;
  readonly onProgress?: (progress: TransferProgress) => void;
}

export interface ExportedSnapshots {
  readonly dir: string;
  readonly snapshots: readonly SnapshotEntry[];
  readonly blobs: number;
  readonly parts: number;
  /** Of all blobs together. */
  readonly bytes: number;
  /** Blobs that were left out, or that the store does not have either: bases, and listings, which are optional. */
  readonly absent: readonly Digest[];
}

/**
 * Copies snapshots of a store to a directory of plain files of limited size, for services that carry files. Each blob is
 * written once and held against its digest meanwhile; the parts of one, `parts/HEX.*` in that order, are the blob. The
 * manifest comes last: what was cut off is never taken for an export. An earlier export in `dir` is replaced. When the promise
 * is fulfilled, the export survives a power cut; when it rejects, `dir` holds none.
 * @throws RbmResumeError `USAGE`, `NO_SUCH_SNAPSHOT`, `AMBIGUOUS_HASH`, `DIRECTORY_NOT_EMPTY`, `STORE_BUSY`,
 *   `STORE_WRITE_FAILED`, `MISSING_BLOB`, `DAMAGED_BLOB`, `DAMAGED_SNAPSHOT`, `BAD_INDEX`
 */
export function exportSnapshots(
  store: string,
  dir: string,
  options: ExportOptions = {},
): Promise<ExportedSnapshots> {
  return namingIoFailures(`exporting ${store} to ${dir}`, () => exportChosen(store, dir, options));
}

async function exportChosen(store: string, dir: string, options: ExportOptions): Promise<ExportedSnapshots> {
  const paths = storePaths(store);
  const maxPartSize = options.maxPartSize ?? DEFAULT_PART_BYTES;
  if (!Number.isSafeInteger(maxPartSize) || maxPartSize < 1)
    throw new RbmResumeError('USAGE', `not a size for a part: ${maxPartSize}`, { hint: 'Such as 400M.' });
  const entries = chooseEntries(await listSnapshots(paths), options);
  const snapshots = await Promise.all(entries.map((entry) => openListed(paths, entry)));
  snapshots.forEach(checkIdentity);
  const { names, absent } = await chooseBlobs(snapshots, options.withoutBase ?? false);
  const opened: VerifiedBlob[] = [];
  try {
    // All at once: what is open can be read to its end, whatever a collection of garbage removes meanwhile.
    await tellingFirstReplacement(paths, entries, async () => {
      for (const name of names) opened.push(await openBlob(paths, name));
    });
    const describe = (blobs: readonly ExportedBlob[]): string =>
      toManifest({ snapshots: entries.map(({ descriptor }) => descriptor), blobs: [...blobs], absent });
    refuseTooManyParts(names, { maxPartSize, describe });
    const write = (partsDir: string) =>
      namingWriteFailures(dir, async () => {
        const written = await writeBlobs(opened, partsDir, { ...options, maxPartSize });
        await syncDirectory(partsDir);
        await syncDirectory(dir);
        await writeFileDurably(join(dir, EXPORT_MANIFEST), describe(written));
        return written;
      });
    const need = needOf(names, maxPartSize);
    const blobs = await namingWriteFailures(dir, () => withExportDirectory(dir, { need, write }));
    return {
      dir,
      snapshots: entries,
      blobs: blobs.length,
      parts: blobs.reduce((sum, { parts }) => sum + parts.length, 0),
      bytes: sumOf(blobs),
      absent,
    };
  } finally {
    await Promise.all(opened.map((blob) => blob.close()));
  }
}

function chooseEntries(
  entries: readonly SnapshotEntry[],
  { names, allGenerations = false }: ExportOptions,
): SnapshotEntry[] {
  const wanted =
    names === undefined || names.length === 0 ? [...new Set(entries.map(({ hash }) => hash))] : names;
  const chosen = new Set<SnapshotEntry>();
  for (const name of wanted) {
    const one = chooseSnapshot(entries, name);
    const isGiven = name.includes('@') || !allGenerations;
    for (const entry of isGiven ? [one] : entries.filter(({ hash }) => hash === one.hash)) chosen.add(entry);
  }
  return [...chosen];
}

async function chooseBlobs(
  snapshots: readonly Snapshot[],
  withoutBase: boolean,
): Promise<{ readonly names: BlobName[]; readonly absent: Digest[] }> {
  const names = new Map<Digest, BlobName>();
  const absent = new Set<Digest>();
  for (const snapshot of snapshots) {
    const { all, optional } = listBlobs(snapshot);
    const base = withoutBase ? baseLayerOf(snapshot)?.descriptor.digest : undefined;
    for (const name of all) {
      const isThere = !optional.has(name.digest) || (await hasBlob(snapshot.paths, name));
      if (isThere && name.digest !== base) names.set(name.digest, name);
      else absent.add(name.digest);
    }
  }
  // What is the base of one may be a layer of another: then it travels.
  return {
    names: [...names.values()],
    absent: [...absent].filter((digest) => !names.has(digest)),
  };
}

/** Whoever imports reads a manifest of so many bytes and not of more. */
function refuseTooManyParts(
  names: readonly BlobName[],
  how: { readonly maxPartSize: number; readonly describe: (blobs: readonly ExportedBlob[]) => string },
): void {
  const { maxPartSize } = how;
  const count = names.reduce((sum, { size }) => sum + Math.ceil(size / maxPartSize), 0);
  // Each takes far more than a byte of the manifest: that many are not even planned.
  const isShort =
    count < MAX_JSON_BYTES / 100 &&
    Buffer.byteLength(how.describe(names.map((name) => planParts(name, maxPartSize)))) <= MAX_JSON_BYTES;
  if (isShort) return;
  throw new RbmResumeError('USAGE', `parts of at most ${maxPartSize} bytes would be ${count}: too many`, {
    hint: 'Allow larger parts, or export fewer snapshots.',
    fields: { maxPartSize, parts: count },
  });
}

/** Of an export: its parts, and some for two folders, the manifest and what that is written to first. */
function needOf(names: readonly BlobName[], maxPartSize: number): Need {
  const bytes = sumOf(names);
  const parts = names.reduce((sum, { size }) => sum + Math.max(1, Math.ceil(size / maxPartSize)), 0);
  return { bytes, inodes: parts + 4, atMost: bytes + 4096 * (parts + 4) };
}

async function writeBlobs(
  blobs: readonly VerifiedBlob[],
  partsDir: string,
  options: ExportOptions & { readonly maxPartSize: number },
): Promise<ExportedBlob[]> {
  const totalBytes = sumOf(blobs);
  const written: ExportedBlob[] = [];
  let bytes = 0;
  const onBytes = (count: number) => options.onProgress?.({ bytes: (bytes += count), totalBytes });
  for (const blob of blobs)
    written.push(await writeBlob(blob, planParts(blob, options.maxPartSize), { partsDir, onBytes }));
  return written;
}

const toManifest = (of: Pick<ExportManifest, 'snapshots' | 'blobs' | 'absent'>): string => {
  const head = {
    format: EXPORT_FORMAT,
    writer: `rbm-resume ${VERSION}`,
    createdAt: new Date().toISOString(),
  } as const;
  return sealJson({ ...head, ...of } satisfies ExportManifest);
};

const sumOf = (blobs: readonly Pick<BlobName, 'size'>[]): number =>
  blobs.reduce((sum, { size }) => sum + size, 0);
