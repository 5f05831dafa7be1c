import { isProjectHash } from '../digest.js';
import { RbmResumeError, systemErrorCode } from '../errors.js';
import { shownText } from '../rootfs/entry.js';
import { readJsonBlob } from '../store/blobs.js';
import type { IndexChange } from '../store/image-index.js';
import {
  imageManifestSchema,
  MEDIA_TYPE,
  REF_NAME,
  type Descriptor,
  type ImageManifest,
} from '../store/oci.js';
import type { StorePaths } from '../store/paths.js';
import { ANNOTATION, CREATED } from './annotations.js';
import type { SnapshotEntry } from './snapshot.js';

/**
 * No generation has a higher number: nobody is interrupted so often. Whatever number somebody has invented, the next snapshot
 * gets one.
 */
export const MAX_GENERATION = 999_999;

const GENERATION = /^[1-9]\d{0,5}$/;

/** An entry of the index, held against its manifest. */
export type JudgedEntry =
  /** Somebody else's, or one that nobody knows: it stays as it is. */
  | { readonly kind: 'foreign'; readonly descriptor: Descriptor }
  /** A snapshot; the descriptor has the annotations of its manifest where the entry had none. */
  | { readonly kind: 'sound'; readonly descriptor: Descriptor; readonly entry: SnapshotEntry }
  /** A snapshot by its entry, whose manifest is missing or damaged. */
  | { readonly kind: 'unreadable'; readonly descriptor: Descriptor; readonly entry: SnapshotEntry }
  /** The entry says something else than its manifest: it is not used, and waits for a repair. */
  | {
      readonly kind: 'contradictory';
      readonly descriptor: Descriptor;
      /** What the entry claims to be, `HASH@GENERATION`, as it may be shown: the text of an index is anybody's. */
      readonly name: string;
      /** The project hash by its manifest, else the one that it claims. */
      readonly hash: string;
      readonly why: string;
    };

/** Holds entries of an index against their manifests, each of which is read. */
export const judgeEntries = (paths: StorePaths, manifests: readonly Descriptor[]): Promise<JudgedEntry[]> =>
  Promise.all(manifests.map((descriptor) => judgeEntry(paths, descriptor)));

async function judgeEntry(paths: StorePaths, descriptor: Descriptor): Promise<JudgedEntry> {
  const claimed = claimOf(descriptor);
  if (descriptor.mediaType !== MEDIA_TYPE.manifest) {
    if (claimed === null) return { kind: 'foreign', descriptor };
    return contradictory(descriptor, claimed.hash, `its media type is ${descriptor.mediaType}`);
  }
  const manifest = await readManifest(paths, descriptor);
  if (manifest === null)
    return claimed === null
      ? { kind: 'foreign', descriptor }
      : { kind: 'unreadable', descriptor, entry: claimed };
  const { annotations = {} } = manifest;
  const own = claimOf({ ...descriptor, annotations });
  if (own === null) {
    if (claimed === null) return { kind: 'foreign', descriptor };
    return contradictory(descriptor, claimed.hash, 'its manifest is not that of a snapshot');
  }
  const key = Object.keys(annotations).find((one) => {
    const said = descriptor.annotations?.[one];
    return said !== undefined && said !== annotations[one] && one !== REF_NAME;
  });
  if (key !== undefined) {
    const said = JSON.stringify(descriptor.annotations?.[key]);
    return contradictory(
      descriptor,
      own.hash,
      `by its manifest ${key} is ${JSON.stringify(annotations[key])}, not ${said}`,
    );
  }
  const complete = {
    ...descriptor,
    annotations: { ...entryAnnotations(manifest), ...descriptor.annotations },
  };
  const described = claimed === null ? complete : descriptor;
  const entry = claimOf(described);
  if (entry === null) throw new Error(`${descriptor.digest} is no entry of a snapshot`);
  return { kind: 'sound', descriptor: described, entry };
}

/** What an entry repeats of the annotations of its manifest. */
export const entryAnnotations = ({ annotations = {} }: ImageManifest): Record<string, string> =>
  Object.fromEntries(REPEATED.flatMap((key) => (key in annotations ? [[key, annotations[key] ?? '']] : [])));

const REPEATED = [CREATED, ANNOTATION.project, ANNOTATION.hash, ANNOTATION.generation];

function contradictory(descriptor: Descriptor, hash: string, why: string): JudgedEntry {
  const { annotations = {} } = descriptor;
  const name = `${annotations[ANNOTATION.hash] ?? hash}@${annotations[ANNOTATION.generation] ?? '?'}`;
  return { kind: 'contradictory', descriptor, name: shownText(name), hash, why: shownText(why) };
}

/** `null` when it is missing or damaged, or the system refuses it. */
async function readManifest(paths: StorePaths, descriptor: Descriptor): Promise<ImageManifest | null> {
  try {
    return await readJsonBlob(paths, descriptor, imageManifestSchema);
  } catch (error) {
    if (error instanceof RbmResumeError || systemErrorCode(error) !== undefined) return null;
    throw error;
  }
}

/** An entry of the index as a snapshot, or `null` when it is somebody else's image. */
export function entryOf(descriptor: Descriptor): SnapshotEntry | null {
  return descriptor.mediaType === MEDIA_TYPE.manifest ? claimOf(descriptor) : null;
}

function claimOf(descriptor: Descriptor): SnapshotEntry | null {
  const { annotations = {}, digest } = descriptor;
  const [hash = '', generation = ''] = [annotations[ANNOTATION.hash], annotations[ANNOTATION.generation]];
  if (!isProjectHash(hash) || !GENERATION.test(generation)) return null;
  return {
    hash,
    generation: Number(generation),
    digest,
    ref: annotations[REF_NAME] ?? null,
    project: annotations[ANNOTATION.project] ?? '?',
    descriptor,
  };
}

/**
 * A change of the index that sees what can be used: snapshots whose entries agree with their manifests, and what is
 * somebody else's. The others stay as they are, behind: nothing that they say has a part in it.
 */
export const amongSound =
  (paths: StorePaths, change: IndexChange): IndexChange =>
  async (manifests) => {
    const judged = await judgeEntries(paths, manifests);
    const isUsable = ({ kind }: JudgedEntry) => kind === 'sound' || kind === 'foreign';
    const changed = await change(judged.filter(isUsable).map(({ descriptor }) => descriptor));
    return [...changed, ...judged.filter((one) => !isUsable(one)).map(({ descriptor }) => descriptor)];
  };
