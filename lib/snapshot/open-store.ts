import { isProjectHash, type ProjectHash } from '../digest.js';
import { RbmResumeError } from '../errors.js';
import { readIndex } from '../store/image-index.js';
import { readJsonBlob } from '../store/blobs.js';
import { imageManifestSchema, MEDIA_TYPE, REF_NAME, type Descriptor } from '../store/oci.js';
import { storePaths, type StorePaths } from '../store/paths.js';
import { ANNOTATION } from './annotations.js';
import { Snapshot, type SnapshotEntry } from './snapshot.js';
import { namingIoFailures } from '../system-error.js';

/** The snapshots of a store. Reading takes no lock: the index changes atomically. */
export interface SnapshotStore {
  readonly paths: StorePaths;
  /** All snapshots, by hash and generation. @throws RbmResumeError `BAD_INDEX` */
  list(): Promise<SnapshotEntry[]>;
  /**
   * Opens the newest snapshot under a project hash, or that of one generation.
   * @param name `HASH` or `HASH@GENERATION`; of the hash as many digits as make it unique
   * @throws RbmResumeError `NO_SUCH_SNAPSHOT`, `AMBIGUOUS_HASH`, and as `Snapshot.open`
   */
  open(name: string): Promise<Snapshot>;
}

/** The store in the folder `dir`, which need not be there yet. Nothing is read or made now. */
export function openStore(dir: string): SnapshotStore {
  const paths = storePaths(dir);
  return {
    paths,
    list: () => listSnapshots(paths),
    open: async (name) => Snapshot.open(paths, chooseSnapshot(await listSnapshots(paths), name)),
  };
}

/** What the index has of ours, by hash and generation; also what skopeo has brought, which annotates no entries. */
export function listSnapshots(paths: StorePaths): Promise<SnapshotEntry[]> {
  return namingIoFailures(`listing the snapshots of ${paths.root}`, () => readEntries(paths));
}

async function readEntries(paths: StorePaths): Promise<SnapshotEntry[]> {
  const manifests = await annotateEntries(paths, (await readIndex(paths)).manifests);
  return manifests
    .flatMap((descriptor) => entryOf(descriptor) ?? [])
    .sort((a, b) => (a.hash < b.hash ? -1 : a.hash > b.hash ? 1 : a.generation - b.generation));
}

/**
 * Gives those entries of an index that have none the annotations that their manifests have, where that makes them ours; one
 * that can't be read is somebody else's.
 */
export function annotateEntries(paths: StorePaths, manifests: readonly Descriptor[]): Promise<Descriptor[]> {
  return Promise.all(
    manifests.map(async (descriptor) => {
      if (descriptor.mediaType !== MEDIA_TYPE.manifest || entryOf(descriptor) !== null) return descriptor;
      const manifest = await readJsonBlob(paths, descriptor, imageManifestSchema).catch(() => null);
      const annotations = { ...manifest?.annotations, ...descriptor.annotations };
      const annotated = { ...descriptor, annotations };
      return entryOf(annotated) === null ? descriptor : annotated;
    }),
  );
}

/** An entry of the index as a snapshot, or `null` when it is somebody else's image. */
export function entryOf(descriptor: Descriptor): SnapshotEntry | null {
  const { annotations = {}, mediaType, digest } = descriptor;
  const [hash = '', generation = ''] = [annotations[ANNOTATION.hash], annotations[ANNOTATION.generation]];
  if (mediaType !== MEDIA_TYPE.manifest || !isProjectHash(hash) || !/^[1-9]\d{0,8}$/.test(generation))
    return null;
  return {
    hash,
    generation: Number(generation),
    digest,
    ref: annotations[REF_NAME] ?? null,
    project: annotations[ANNOTATION.project] ?? '?',
    descriptor,
  };
}

/** @throws RbmResumeError `NO_SUCH_SNAPSHOT`, `AMBIGUOUS_HASH` */
export function chooseSnapshot(entries: readonly SnapshotEntry[], name: string): SnapshotEntry {
  const [prefix = '', generation] = name.split('@');
  const found = entries.filter(
    (entry) =>
      prefix !== '' &&
      entry.hash.startsWith(prefix) &&
      (generation === undefined || String(entry.generation) === generation),
  );
  const newest = found.at(-1);
  if (newest === undefined) {
    throw new RbmResumeError('NO_SUCH_SNAPSHOT', `the store has no snapshot "${name}"`, {
      hint: '`rbm-resume list` prints those that it has.',
    });
  }
  const hashes = new Set<ProjectHash>(found.map(({ hash }) => hash));
  if (hashes.size > 1) {
    throw new RbmResumeError('AMBIGUOUS_HASH', `${hashes.size} project hashes begin with "${prefix}"`, {
      hint: `Give more digits: ${[...hashes].map((hash) => hash.slice(0, prefix.length + 8)).join(', ')}`,
    });
  }
  return newest;
}
