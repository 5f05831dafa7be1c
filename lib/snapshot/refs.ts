import { hexOf } from '../digest.js';
import { REF_NAME, type Descriptor } from '../store/oci.js';
import { ANNOTATION } from './annotations.js';
import { entryOf } from './index-entries.js';

/** Generations that stay under a hash: the newest, and the one before in case the newest turns out damaged. */
export const GENERATIONS_KEPT = 2;

/**
 * The entries of an index with a snapshot as the newest of its hash; older ones than the one before go, and so do those with
 * its number or a higher one, which only somebody who invents numbers can have made (see `MAX_GENERATION`). Entries that are not
 * of this hash stay as they are.
 * @param isRival whether an entry may be displaced at all; without it every one of the hash
 */
export function putNewest(
  manifests: readonly Descriptor[],
  added: Descriptor,
  isRival: (entry: Descriptor) => boolean = () => true,
): Descriptor[] {
  const hash = added.annotations?.[ANNOTATION.hash];
  const isOurs = (entry: Descriptor) => entryOf(entry)?.hash === hash && isRival(entry);
  const isOlder = (entry: Descriptor) => generationOf(entry) < generationOf(added);
  const older = manifests
    .filter((entry) => isOurs(entry) && isOlder(entry))
    .sort((a, b) => generationOf(a) - generationOf(b));
  const kept = older.slice(-(GENERATIONS_KEPT - 1));
  return nameRefs([...manifests.filter((entry) => !isOurs(entry)), ...kept, added]);
}

/**
 * Gives the newest snapshot of each hash the name `HASH`, the others `HASH-GENERATION`: `skopeo` finds them so. Where several jobs
 * that don't trust each other have used one number, all but the first have digits of their digest behind it.
 */
export function nameRefs(manifests: readonly Descriptor[]): Descriptor[] {
  const newest = new Map<string, number>();
  for (const entry of manifests) {
    const ours = entryOf(entry);
    if (ours) newest.set(ours.hash, Math.max(newest.get(ours.hash) ?? 0, ours.generation));
  }
  const given = new Set<string>();
  return manifests.map((entry) => {
    const ours = entryOf(entry);
    if (ours === null) return entry;
    const { hash, generation, digest } = ours;
    const name = newest.get(hash) === generation ? hash : `${hash}-${generation}`;
    const ref = given.has(name) ? `${hash}-${generation}-${hexOf(digest).slice(0, 12)}` : name;
    given.add(name);
    return { ...entry, annotations: { ...entry.annotations, [REF_NAME]: ref } };
  });
}

const generationOf = (entry: Descriptor): number => entryOf(entry)?.generation ?? 0;

/** Why a snapshot is not in the merged index: newer ones fill the places, or another of its number has worked longer. */
export type MergeLoss = 'older' | 'less-work';

export interface MergedGenerations {
  readonly manifests: readonly Descriptor[];
  readonly added: readonly Descriptor[];
  /** Of those that were to be added. */
  readonly skipped: readonly { readonly descriptor: Descriptor; readonly why: MergeLoss | 'already-there' }[];
  /** Of those that the index had. */
  readonly displaced: readonly { readonly descriptor: Descriptor; readonly why: MergeLoss }[];
}

/**
 * The entries of an index with snapshots of another one. Of each hash the newest {@link GENERATIONS_KEPT} stay; of several
 * with the same number the one whose build has worked longest, or, as long, the one that was there. A hash to which nothing is
 * added stays as it is.
 * @param added snapshots, all of them
 */
export function mergeGenerations(
  manifests: readonly Descriptor[],
  added: readonly Descriptor[],
  how: {
    /** Of an entry's build. */
    readonly workSeconds: (entry: Descriptor) => number;
    /** Whether an entry of the index may be displaced, and may keep another out. @default every one */
    readonly isRival?: (entry: Descriptor) => boolean;
  },
): MergedGenerations {
  const { workSeconds, isRival = () => true } = how;
  const ours = manifests.filter((entry) => entryOf(entry) !== null && isRival(entry));
  const present = new Set(ours.map(({ digest }) => digest));
  const fresh = added.filter(({ digest }) => !present.has(digest));
  const whyLost = judge([...ours, ...fresh], workSeconds);
  const taken = fresh.filter((entry) => whyLost(entry) === null);
  const touched = new Set(taken.map(hashOf));
  const displaced = ours.flatMap((descriptor) => {
    const why = touched.has(hashOf(descriptor)) ? whyLost(descriptor) : null;
    return why === null ? [] : [{ descriptor, why }];
  });
  // The same manifest with an attestation that does not count is the same snapshot.
  const twins = manifests.filter(({ digest }) => taken.some((one) => one.digest === digest));
  const gone = new Set([...displaced.map(({ descriptor }) => descriptor), ...twins]);
  return {
    manifests: nameRefs([...manifests.filter((entry) => !gone.has(entry)), ...taken]),
    added: taken,
    skipped: added.flatMap((descriptor) => {
      const why = present.has(descriptor.digest) ? 'already-there' : whyLost(descriptor);
      return why === null ? [] : [{ descriptor, why }];
    }),
    displaced,
  };
}

/** Which of these snapshots go, were they all in one index; of equal ones the first stays. */
function judge(
  entries: readonly Descriptor[],
  workSeconds: (entry: Descriptor) => number,
): (entry: Descriptor) => MergeLoss | null {
  const placeOf = (entry: Descriptor) => `${hashOf(entry)}@${generationOf(entry)}`;
  const best = new Map<string, Descriptor>();
  for (const entry of entries) {
    const rival = best.get(placeOf(entry));
    if (rival === undefined || workSeconds(rival) < workSeconds(entry)) best.set(placeOf(entry), entry);
  }
  const isNewest = (entry: Descriptor): boolean => {
    const newer = [...best.values()].filter(
      (one) => hashOf(one) === hashOf(entry) && generationOf(one) > generationOf(entry),
    );
    return newer.length < GENERATIONS_KEPT;
  };
  return (entry) => {
    if (best.get(placeOf(entry))?.digest !== entry.digest) return 'less-work';
    return isNewest(entry) ? null : 'older';
  };
}

const hashOf = (entry: Descriptor): string => entryOf(entry)?.hash ?? '';
