import { RbmResumeError } from '../errors.js';
import {
  OWN_ANNOTATION_PREFIX,
  MEDIA_TYPE,
  REF_NAME,
  type Descriptor,
  type ImageIndex,
} from '../store/oci.js';
import { readBlob } from '../store/blobs.js';
import { ANNOTATION, CREATED, ENTRY_ANNOTATIONS } from './annotations.js';
import { subjectOf } from './attested.js';
import type { JudgedEntry } from './index-entries.js';
import { nameRefs } from './refs.js';
import type { Snapshot } from './snapshot.js';

/** Something in `index.json` that nobody writes so. */
export interface IndexFlaw {
  /** `HASH@GENERATION`; `null` for the index itself and for entries of others. */
  readonly snapshot: string | null;
  /** The entry; `null` for the index itself. */
  readonly descriptor: Descriptor | null;
  readonly error: RbmResumeError;
}

const INDEX_FIELDS = ['schemaVersion', 'mediaType', 'manifests', 'annotations'];
const ENTRY_FIELDS = ['mediaType', 'digest', 'size', 'annotations', 'platform'];
const PLATFORM_FIELDS = ['architecture', 'os', 'variant'];

/**
 * What is wrong with an index that can be read. Of our own entries everything is known: they say what their manifests say,
 * and have the names that `nameRefs` gives. Fields and annotations that others have added are nobody's business, unless
 * their name is one of ours with one letter changed.
 */
export function findIndexFlaws(index: ImageIndex, judged: readonly JudgedEntry[]): IndexFlaw[] {
  const ofIndex = flawsOfIndex(index).map((what) => ({
    snapshot: null,
    descriptor: null,
    error: flaw(`index.json ${what}`),
  }));
  const refs = expectedRefs(judged);
  const ofEntries = judged.flatMap((one, number): IndexFlaw[] => {
    const written = index.manifests[number];
    if (written === undefined) return [];
    if (one.kind === 'contradictory') {
      const { descriptor, name } = one;
      return [{ snapshot: name, descriptor, error: flaw(`the entry ${name} is not used: ${one.why}`) }];
    }
    const name = 'entry' in one ? `${one.entry.hash}@${one.entry.generation}` : null;
    const whose = name ?? String(written.annotations?.[REF_NAME] ?? written.digest);
    const own = name === null ? [] : flawsOfOwn(written, refs[number]);
    return [...flawsOfFields(written), ...own].map((what) => ({
      snapshot: name,
      descriptor: written,
      error: flaw(`the entry ${whose} of index.json ${what}`),
    }));
  });
  return [...ofIndex, ...ofEntries];
}

/** @throws RbmResumeError `BAD_INDEX` when the entry of a snapshot is for another machine than its config */
export function checkPlatform({ entry, image: { config } }: Snapshot): void {
  const { platform } = entry.descriptor;
  if (platform === undefined) return;
  if (platform.architecture === config.architecture && platform.os === config.os) return;
  throw flaw(
    `the entry ${entry.hash}@${entry.generation} of index.json is for ${platform.os}/${platform.architecture}, ` +
      `its config for ${config.os}/${config.architecture}`,
  );
}

/**
 * @throws RbmResumeError `BAD_INDEX` when an entry names an attestation that is about something else, `MISSING_BLOB` or
 *   `DAMAGED_BLOB` when it can't be read. Nobody judges it here.
 */
export async function checkAttestation({ entry, attestation, paths }: Snapshot): Promise<void> {
  const { annotations = {} } = entry.descriptor;
  if (attestation === null) {
    if (!(ANNOTATION.attestation in annotations) && !(ANNOTATION.attestationSize in annotations)) return;
    throw flaw(`the entry ${entry.hash}@${entry.generation} of index.json names an attestation by half`);
  }
  if (subjectOf(await readBlob(paths, attestation))?.subject === entry.digest) return;
  throw flaw(
    `the entry ${entry.hash}@${entry.generation} of index.json names ${attestation.digest}, which is no attestation of it`,
  );
}

function flawsOfIndex(index: ImageIndex): string[] {
  const isOther = index.mediaType !== undefined && index.mediaType !== MEDIA_TYPE.index;
  return [...(isOther ? [`is a ${index.mediaType}`] : []), ...misspelt(index, INDEX_FIELDS)];
}

const flawsOfFields = (written: Descriptor): string[] => [
  ...misspelt(written, ENTRY_FIELDS),
  ...misspelt(written.platform ?? {}, PLATFORM_FIELDS),
  ...misspelt(written.annotations ?? {}, [...ENTRY_ANNOTATIONS, CREATED, REF_NAME]),
];

/** What skopeo has brought has none of our annotations, and any name. */
function flawsOfOwn(written: Descriptor, expected: string | undefined): string[] {
  const { annotations = {} } = written;
  const keys = [ANNOTATION.hash, ANNOTATION.generation, ANNOTATION.project, CREATED];
  const missing = keys.filter((key) => !(key in annotations));
  if (missing.length === keys.length) return [];
  const unknown = Object.keys(annotations).filter(
    (key) => key.startsWith(OWN_ANNOTATION_PREFIX) && !ENTRY_ANNOTATIONS.includes(key),
  );
  const ref = annotations[REF_NAME];
  return [
    ...missing.map((key) => `has no ${key}`),
    ...unknown.map((key) => `has ${key}, which nobody writes`),
    ...(ref === expected ? [] : [`has the name ${ref ?? '(none)'} instead of ${expected}`]),
  ];
}

/** The name of each entry, were the index written now; those that contradict themselves have no part in it. */
function expectedRefs(judged: readonly JudgedEntry[]): (string | undefined)[] {
  const named = nameRefs(
    judged.filter(({ kind }) => kind !== 'contradictory').map(({ descriptor }) => descriptor),
  );
  return judged.map(({ kind }) =>
    kind === 'contradictory' ? undefined : named.shift()?.annotations?.[REF_NAME],
  );
}

/** Names that are a known one with one letter changed, where the known one is missing. */
const misspelt = (of: object, known: readonly string[]): string[] =>
  Object.keys(of).flatMap((name) => {
    const meant = known.find((one) => !(one in of) && differsInOneLetter(one, name));
    return meant === undefined ? [] : [`has ${JSON.stringify(name)} instead of ${JSON.stringify(meant)}`];
  });

const differsInOneLetter = (a: string, b: string): boolean =>
  a.length === b.length && [...a].filter((letter, at) => letter !== b[at]).length === 1;

const flaw = (message: string): RbmResumeError => new RbmResumeError('BAD_INDEX', message);
