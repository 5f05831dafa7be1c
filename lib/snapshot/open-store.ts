import type { ProjectHash } from '../digest.js';
import { RbmResumeError } from '../errors.js';
import { readIndex } from '../store/image-index.js';
import type { Descriptor } from '../store/oci.js';
import { storePaths, type StorePaths } from '../store/paths.js';
import { entryOf, judgeEntries, type JudgedEntry } from './index-entries.js';
import { openListed } from './replaced.js';
import type { Snapshot, SnapshotEntry } from './snapshot.js';
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
    open: async (name) => {
      const entry = chooseSnapshot(await listSnapshots(paths), name);
      return openListed(paths, entry);
    },
  };
}

/**
 * What the index has of ours, by hash and generation; also what skopeo has brought, which annotates no entries. An entry that
 * contradicts its manifest is not among them.
 * @param hash only what is of this project hash; other entries of ours are not looked into
 */
export function listSnapshots(paths: StorePaths, hash?: ProjectHash): Promise<SnapshotEntry[]> {
  return namingIoFailures(`listing the snapshots of ${paths.root}`, async () =>
    snapshotsAmong(await judgeIndex(paths, hash)),
  );
}

/** The entries of the index, held against their manifests; with a hash those that may be of it. */
export async function judgeIndex(paths: StorePaths, hash?: ProjectHash): Promise<JudgedEntry[]> {
  const { manifests } = await readIndex(paths);
  const mayBe = (descriptor: Descriptor) => {
    const claimed = entryOf(descriptor)?.hash;
    return hash === undefined || claimed === undefined || claimed === hash;
  };
  const judged = await judgeEntries(paths, manifests.filter(mayBe));
  return judged.filter((one) => hash === undefined || hashOf(one) === hash);
}

const hashOf = (one: JudgedEntry): string | undefined =>
  'entry' in one ? one.entry.hash : 'hash' in one ? one.hash : undefined;

/** The snapshots of a judged index, by hash and generation. */
export const snapshotsAmong = (judged: readonly JudgedEntry[]): SnapshotEntry[] =>
  judged
    .flatMap((one) => ('entry' in one ? one.entry : []))
    .sort((a, b) => (a.hash < b.hash ? -1 : a.hash > b.hash ? 1 : a.generation - b.generation));

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
