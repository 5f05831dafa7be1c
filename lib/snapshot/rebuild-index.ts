import { namesIn } from '../store/live.js';
import { join } from 'node:path';
import * as v from 'valibot';
import { isDigest, type Digest } from '../digest.js';
import { RbmResumeError } from '../errors.js';
import { readIndexRemains, type IndexRemains } from '../store/damaged-index.js';
import {
  MEDIA_TYPE,
  OWN_ANNOTATION_PREFIX,
  REF_NAME,
  type Descriptor,
  type ImageIndex,
} from '../store/oci.js';
import type { StorePaths } from '../store/paths.js';
import { readRecord } from '../store/record.js';
import type { BlobName } from '../store/blobs.js';
import { ANNOTATION } from './annotations.js';
import { attestationAnnotations } from './image.js';
import { findImages, type Condition, type Examination, type FoundImages } from './find-images.js';
import { entryAnnotations, entryOf, judgeEntries, type JudgedEntry } from './index-entries.js';
import { mergeGenerations, nameRefs } from './refs.js';
import { listBlobs, workSecondsOf } from './snapshot-blobs.js';
import { Snapshot, type SnapshotEntry } from './snapshot.js';
import { checkAttestation, checkPlatform, findIndexFlaws } from './verify-index.js';

/** What the index shall be, and what led to that. */
export interface RebuildPlan {
  readonly remains: IndexRemains;
  /** What is wrong with the index, one line each; nothing when it can stay as it is but for what is taken out. */
  readonly flaws: readonly string[];
  readonly index: ImageIndex;
  /** Snapshots that no entry, or none that can be used, has led to. */
  readonly added: readonly Snapshot[];
  /** Entries whose snapshots are defective. */
  readonly damaged: readonly { readonly entry: SnapshotEntry; readonly reason: string }[];
}

/**
 * Works out what the index of a store should be. Its entries are held against their manifests and everything that these lead
 * to. Where it is damaged or contradicts its manifests, every whole snapshot among the blobs comes in, the newest two of a
 * hash, but none that was taken out of use; the entries of others stay as they can be read. Nothing is changed.
 */
export async function planRebuild(paths: StorePaths, examination: Examination): Promise<RebuildPlan> {
  const remains = await readIndexRemains(paths);
  const judged = await judgeEntries(paths, remains.entries);
  const sorted = await sortEntries(judged, examination);
  const flaws = [...findAllFlaws(remains, judged), ...sorted.flaws];
  const found: FoundImages =
    flaws.length > 0 ? await findImages(paths) : { manifests: [], attestations: new Map() };
  const listed = new Set(sorted.kept.map(({ digest }) => digest));
  const outOfUse = await readQuarantine(paths);
  const whole = new Map<Digest, Snapshot>(sorted.whole.map((one) => [one.digest, one]));
  const added: Descriptor[] = [];
  for (const manifest of found.manifests) {
    const entry = entryOf(manifest);
    if (entry === null || listed.has(manifest.digest) || outOfUse.has(manifest.digest)) continue;
    const condition = await examination.examine(entry);
    if (condition.is !== 'whole') continue;
    whole.set(manifest.digest, condition.snapshot);
    added.push(manifest);
  }
  const kept = flaws.length > 0 ? sorted.kept.map((one) => asWritten(one, whole, found)) : sorted.kept;
  // What the index has keeps its place, whatever is found beside it.
  const workSeconds = ({ digest }: Descriptor) =>
    listed.has(digest) ? Infinity : workSecondsOf(whole.get(digest)?.image.manifest.annotations);
  const merged = mergeGenerations(
    kept,
    added.map((one) => asWritten(one, whole, found)),
    { workSeconds },
  );
  const isChanged = flaws.length > 0 || sorted.damaged.length > 0;
  const { fields } = remains;
  return {
    remains,
    flaws,
    index: {
      ...fields,
      ...(flaws.length > 0 && { mediaType: MEDIA_TYPE.index }),
      manifests: isChanged
        ? nameRefs([...merged.manifests, ...merged.displaced.map(({ descriptor }) => descriptor)])
        : [...remains.entries],
    },
    added: merged.added.flatMap(({ digest }) => whole.get(digest) ?? []),
    // One whose entry alone had lost its way to the manifest is there again.
    damaged: sorted.damaged.filter(
      ({ entry: { hash, generation } }) =>
        !added.some((one) => entryOf(one)?.hash === hash && entryOf(one)?.generation === generation),
    ),
  };
}

function findAllFlaws(remains: IndexRemains, judged: readonly JudgedEntry[]): string[] {
  const { problem, layoutProblem, fields, entries } = remains;
  if (problem !== null) return [`index.json: ${problem}`];
  const unreadable = judged.flatMap((one) =>
    one.kind === 'unreadable'
      ? [`the manifest of ${one.entry.hash}@${one.entry.generation} is missing or damaged`]
      : [],
  );
  return [
    ...(layoutProblem === null ? [] : [`oci-layout: ${layoutProblem}`]),
    ...findIndexFlaws({ ...fields, manifests: [...entries] }, judged).map(({ error }) => error.message),
    ...unreadable,
  ];
}

/** Which entries stay: those of others, and snapshots that are not known to be defective. */
async function sortEntries(
  judged: readonly JudgedEntry[],
  examination: Examination,
): Promise<{
  readonly kept: readonly Descriptor[];
  readonly whole: readonly Snapshot[];
  readonly damaged: RebuildPlan['damaged'];
  readonly flaws: readonly string[];
}> {
  const flaws: string[] = [];
  const kept: Descriptor[] = [];
  const whole: Snapshot[] = [];
  const damaged: { entry: SnapshotEntry; reason: string }[] = [];
  for (const one of judged) {
    const { descriptor } = one;
    if (one.kind === 'foreign') kept.push(descriptor);
    // By its manifest it comes back, if that is whole.
    if (one.kind === 'foreign' || one.kind === 'contradictory') continue;
    if (kept.some(({ digest }) => digest === descriptor.digest)) continue;
    const condition: Condition = await examination.examine(one.entry);
    if (condition.is === 'damaged') damaged.push({ entry: one.entry, reason: condition.reason });
    else kept.push(descriptor);
    if (condition.is !== 'whole') continue;
    whole.push(condition.snapshot);
    flaws.push(...(await flawsAgainst(examination.paths, one.entry)));
  }
  return { kept, whole, damaged, flaws };
}

/** What an entry says beside its manifest: for which machine, and who vouches for it. */
async function flawsAgainst(paths: StorePaths, entry: SnapshotEntry): Promise<string[]> {
  const snapshot = await Snapshot.open(paths, entry);
  try {
    checkPlatform(snapshot);
    await checkAttestation(snapshot);
    return [];
  } catch (error) {
    if (error instanceof RbmResumeError) return [error.message];
    throw error;
  }
}

/** An entry as a save writes it, with the fields and annotations that others have added. */
function asWritten(
  written: Descriptor,
  whole: ReadonlyMap<Digest, Snapshot>,
  found: FoundImages,
): Descriptor {
  const snapshot = whole.get(written.digest);
  if (snapshot === undefined) return written;
  const { config, manifest } = snapshot.image;
  const { mediaType, digest, size, annotations = {}, platform, ...others } = written;
  const { [REF_NAME]: ref, ...own } = annotations;
  const foreign = Object.entries(own).filter(([key]) => !key.startsWith(OWN_ANNOTATION_PREFIX));
  const said = entryAnnotations(manifest);
  const attestation = chooseAttestation(own[ANNOTATION.attestation], found.attestations.get(digest) ?? []);
  return {
    ...{ mediaType, digest, size },
    platform: { ...platform, architecture: config.architecture, os: config.os },
    annotations: {
      ...said,
      ...attestationAnnotations(attestation),
      ...Object.fromEntries(foreign.filter(([key]) => !(key in said))),
      ...(ref !== undefined && { [REF_NAME]: ref }),
    },
    ...others,
  };
}

/** The one that the entry names, if it is about that manifest; else the newest that is. */
const chooseAttestation = (named: string | undefined, known: readonly BlobName[]): BlobName | null =>
  known.find(({ digest }) => digest === named) ?? known.at(-1) ?? null;

const noteSchema = v.object({ descriptor: v.object({ digest: v.string() }) });

/** The manifests that were taken out of use; a note that can't be read names none. */
async function readQuarantine(paths: StorePaths): Promise<ReadonlySet<Digest>> {
  const digests = new Set<Digest>();
  for (const name of await namesIn(paths.quarantineRoot)) {
    const note = await readRecord(join(paths.quarantineRoot, name), noteSchema).catch(() => null);
    if (note !== null && isDigest(note.descriptor.digest)) digests.add(note.descriptor.digest);
  }
  return digests;
}

/** Everything that must still be there when the plan is carried out. */
export const blobsOf = (plan: RebuildPlan) => plan.added.flatMap((one) => listBlobs(one));
