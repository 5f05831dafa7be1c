import { listKept } from '../snapshot/kept.js';
import { listSnapshots } from '../snapshot/open-store.js';
import { Snapshot } from '../snapshot/snapshot.js';
import { storePaths } from '../store/paths.js';

/** What the store keeps of interrupted builds. */
export interface KeptBuilds {
  readonly projects: readonly string[];
  has(build: { readonly project: string; readonly step: string; readonly filename: string | null }): boolean;
}

/** Reads which builds are parked, or have a snapshot, in the store; what can't be read there is not kept. */
export async function readKeptBuilds(store: string): Promise<KeptBuilds> {
  const paths = storePaths(store);
  const parked = (await listKept(store)).flatMap(({ state, record }) =>
    state === 'parked' && record !== null ? [record] : [],
  );
  const opened = (await listSnapshots(paths)).map((entry) => Snapshot.open(paths, entry).catch(() => null));
  const snapshots = (await Promise.all(opened)).flatMap((snapshot) =>
    snapshot?.record ? [snapshot.record] : [],
  );
  const records = [...parked, ...snapshots];
  return {
    projects: [...new Set(records.map(({ project }) => project))].sort(),
    has: ({ project, step, filename }) =>
      records.some(
        (record) =>
          record.project === project &&
          record.filename === filename &&
          filename !== null &&
          (record.step === null || record.step === step),
      ),
  };
}
