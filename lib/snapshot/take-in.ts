import * as v from 'valibot';
import type { Digest, ProjectHash } from '../digest.js';
import { hasBlob, readJsonBlob, type BlobName } from '../store/blobs.js';
import { commit } from '../store/commit.js';
import { readIndex } from '../store/image-index.js';
import { descriptorSchema, imageManifestSchema, type Descriptor } from '../store/oci.js';
import type { StorePaths } from '../store/paths.js';
import { withRoom } from '../store/room.js';
import type { StagedBlob } from '../store/staging.js';
import { namingWriteFailures } from '../store/write-failure.js';
import type { Trust } from '../trust/judge.js';
import type { Assembly } from './assemble.js';
import { ANNOTATION } from './annotations.js';
import type { TransferProgress } from './export-format.js';
import { withGenerationLock } from './image.js';
import { amongSound, entryOf, judgeEntries } from './index-entries.js';
import { findTrusted, judgeSnapshot } from './judge-snapshot.js';
import { mergeGenerations, type MergedGenerations, type MergeLoss } from './refs.js';
import { baseLayerOf, listBlobs, workSecondsOf } from './snapshot-blobs.js';
import type { Snapshot, SnapshotEntry } from './snapshot.js';

/** Snapshots that somebody else has made, and that may come into a store. */
export interface Offer {
  /** As the index shall have them. */
  readonly snapshots: readonly Descriptor[];
  /** Blobs that they refer to and that were left out on purpose. */
  readonly absent: ReadonlySet<Digest>;
  readonly assembly: Assembly;
  /** By what they are judged. */
  readonly trust: Trust;
  /** What room is needed for, in messages: `the import`. */
  readonly what: string;
  readonly onProgress?: ((progress: TransferProgress) => void) | undefined;
}

/** A base tarball that has to be at hand for a restore. */
export interface AbsentBase {
  readonly digest: Digest;
  /** The file name as rbm knows it. */
  readonly name: string;
}

export interface ImportedSnapshots {
  readonly imported: readonly SnapshotEntry[];
  readonly skipped: readonly (SnapshotEntry & { readonly why: MergeLoss | 'already-there' })[];
  /** What the store had and has no more, since what was imported is newer or has worked longer. */
  readonly displaced: readonly (SnapshotEntry & { readonly why: MergeLoss })[];
  /** What the policy does not let this job use, and why. */
  readonly refused: readonly (SnapshotEntry & { readonly reason: string })[];
  /** What neither the export nor the store has. */
  readonly absentBases: readonly AbsentBase[];
  /** Of the blobs that were copied. */
  readonly bytes: number;
}

/**
 * Takes what is offered into a store. All or nothing: every blob is held against its sha256, every snapshot opened and judged, and then
 * all come into the index in one commit, as `mergeGenerations` decides. A blob that the store has, with the right size, is not
 * taken anew. What is refused stays outside, and displaces nothing.
 * @throws RbmResumeError what the assembly says of damage; `NO_ROOM`, `STORE_BUSY`, `STORE_WRITE_FAILED`, `BAD_INDEX`, `MISSING_BLOB`
 */
export async function takeSnapshots(paths: StorePaths, from: Offer): Promise<ImportedSnapshots> {
  const { trust } = from;
  const { offered, refused } = await openOffered(from);
  const planned = await merge(paths, await soundEntries(paths), { snapshots: [...offered.values()], trust });
  const lost = planned.skipped.filter(({ why }) => why !== 'already-there');
  const wanted = [...offered.values()].filter(
    ({ digest }) => !lost.some(({ descriptor }) => descriptor.digest === digest),
  );
  const { blobs, absent } = await copyBlobs(paths, wanted, from);
  let merged = planned;
  if (planned.added.length > 0 || blobs.length > 0) {
    const hashes = [...new Set(wanted.map(({ hash }) => hash))].sort();
    const takeIn = () =>
      commit(paths, {
        blobs,
        mayBeAbsent: absent,
        updateIndex: async (manifests) => {
          const change = amongSound(paths, async (sound) => {
            merged = await merge(paths, sound, { snapshots: wanted, trust });
            return merged.manifests;
          });
          const changed = await change(manifests);
          return merged.added.length > 0 ? changed : manifests;
        },
      });
    await namingWriteFailures(paths.root, () => withGenerationLocks(paths, hashes, takeIn));
  }
  return {
    imported: merged.added.map(toEntry),
    // What the plan skipped was not offered to the commit.
    skipped: [...new Set([...lost, ...merged.skipped])].map(({ descriptor, why }) => ({
      ...toEntry(descriptor),
      why,
    })),
    displaced: merged.displaced.map(({ descriptor, why }) => ({ ...toEntry(descriptor), why })),
    refused,
    absentBases: await findAbsentBases(paths, wanted),
    bytes: blobs.reduce((sum, { size }) => sum + size, 0),
  };
}

/**
 * Whether the store would take such a snapshot, by what it has now; `null`, or why not. Nothing is changed.
 */
export async function reasonAgainstTaking(
  paths: StorePaths,
  snapshot: Snapshot,
  trust: Trust,
): Promise<MergeLoss | 'already-there' | null> {
  const { skipped } = await merge(paths, await soundEntries(paths), { snapshots: [snapshot], trust });
  return skipped[0]?.why ?? null;
}

/** Invented numbers and what can't be read take nobody's place. */
const soundEntries = async (paths: StorePaths): Promise<Descriptor[]> =>
  (await judgeEntries(paths, (await readIndex(paths)).manifests))
    .filter(({ kind }) => kind === 'sound')
    .map(({ descriptor }) => descriptor);

/** What of an offer the job may use; of the others nothing but manifest, config and attestation is read. */
async function openOffered(from: Offer): Promise<{
  readonly offered: ReadonlyMap<Digest, Snapshot>;
  readonly refused: ImportedSnapshots['refused'];
}> {
  const { assembly, trust } = from;
  const offered = new Map<Digest, Snapshot>();
  const refused: (SnapshotEntry & { readonly reason: string })[] = [];
  for (const descriptor of from.snapshots) {
    // What the schema does not name has no business in the index.
    const snapshot = await assembly.openSnapshot(v.parse(descriptorSchema, descriptor));
    if (trust.policy !== null) await assembly.putAttestation(snapshot);
    const judgement = await judgeSnapshot(snapshot, trust);
    if (judgement.isAccepted) offered.set(snapshot.digest, snapshot);
    else refused.push({ ...snapshot.entry, reason: judgement.reason });
  }
  return { offered, refused };
}

/** The blobs that the store lacks, ready for the commit, and those that nobody has and that need not be there. */
async function copyBlobs(
  paths: StorePaths,
  snapshots: readonly Snapshot[],
  from: Offer,
): Promise<{ readonly blobs: StagedBlob[]; readonly absent: ReadonlySet<Digest> }> {
  const { assembly } = from;
  const names = new Map<Digest, BlobName>();
  const absent = new Set<Digest>();
  for (const snapshot of snapshots) {
    const { all, optional } = listBlobs(snapshot);
    for (const name of all) {
      if (await hasBlob(paths, name)) continue;
      const mayBeAbsent = optional.has(name.digest) && from.absent.has(name.digest);
      if (mayBeAbsent) absent.add(name.digest);
      else names.set(name.digest, assembly.find(name));
    }
  }
  const totalBytes = [...names.values()].reduce((sum, { size }) => sum + size, 0);
  let bytes = 0;
  const onBytes = (count: number) => from.onProgress?.({ bytes: (bytes += count), totalBytes });
  const blobs: StagedBlob[] = [];
  // The disk is not filled for nothing: what else is at work on it would fail too.
  const place = { dir: paths.stagingRoot, what: from.what };
  const need = assembly.isOnDisk
    ? { bytes: 0, inodes: 0 }
    : { bytes: totalBytes, inodes: names.size, atMost: totalBytes + 4096 * names.size };
  await withRoom(place, need, async () => {
    for (const name of names.values()) blobs.push(await assembly.put(name, onBytes));
  });
  return { blobs, absent };
}

async function merge(
  paths: StorePaths,
  manifests: readonly Descriptor[],
  offer: { readonly snapshots: readonly Snapshot[]; readonly trust: Trust },
): Promise<MergedGenerations> {
  const { snapshots, trust } = offer;
  const hashes = new Set(snapshots.map(({ hash }) => hash));
  const isOfHash = (entry: Descriptor) => hashes.has(entryOf(entry)?.hash ?? ('' as ProjectHash));
  const rivals = await findTrusted(paths, manifests.filter(isOfHash), trust);
  const seconds = new Map<Digest, number>(
    snapshots.map(({ digest, image }) => [digest, workSecondsOf(image.manifest.annotations)]),
  );
  for (const descriptor of manifests) {
    if (!snapshots.some((one) => isRival(one, descriptor))) continue;
    // One that can't be read is worth less than any that can.
    const manifest = await readJsonBlob(paths, descriptor, imageManifestSchema).catch(() => null);
    seconds.set(descriptor.digest, manifest === null ? -1 : workSecondsOf(manifest.annotations));
  }
  const added = snapshots.map(({ entry }) => entry.descriptor);
  return mergeGenerations(manifests, added, {
    workSeconds: ({ digest }) => seconds.get(digest) ?? 0,
    isRival: (entry) => trust.policy === null || rivals.has(entry),
  });
}

function isRival({ hash, generation, digest }: Snapshot, descriptor: Descriptor): boolean {
  const entry = entryOf(descriptor);
  return entry?.hash === hash && entry.generation === generation && entry.digest !== digest;
}

/** A snapshot that is being saved has read which number is free; always in the same order, so nobody waits for each other. */
function withGenerationLocks<T>(
  paths: StorePaths,
  hashes: readonly ProjectHash[],
  work: () => Promise<T>,
): Promise<T> {
  const [hash, ...others] = hashes;
  if (hash === undefined) return work();
  return withGenerationLock(paths, hash, () => withGenerationLocks(paths, others, work));
}

async function findAbsentBases(paths: StorePaths, snapshots: readonly Snapshot[]): Promise<AbsentBase[]> {
  const bases = new Map<Digest, AbsentBase>();
  for (const snapshot of snapshots) {
    const descriptor = baseLayerOf(snapshot)?.descriptor;
    if (descriptor === undefined || (await hasBlob(paths, descriptor))) continue;
    const name = descriptor.annotations?.[ANNOTATION.base] ?? '?';
    bases.set(descriptor.digest, { digest: descriptor.digest, name });
  }
  return [...bases.values()];
}

function toEntry(descriptor: Descriptor): SnapshotEntry {
  const entry = entryOf(descriptor);
  if (entry === null) throw new Error(`${descriptor.digest} is no entry of a snapshot`);
  return entry;
}
