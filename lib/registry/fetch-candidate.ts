import { openAssembly } from '../snapshot/assemble.js';
import { judgeSnapshot } from '../snapshot/judge-snapshot.js';
import { baseLayerOf } from '../snapshot/snapshot-blobs.js';
import { reasonAgainstTaking, takeSnapshots, type ImportedSnapshots } from '../snapshot/take-in.js';
import type { MergeLoss } from '../snapshot/refs.js';
import type { Snapshot, SnapshotEntry } from '../snapshot/snapshot.js';
import type { BlobName } from '../store/blobs.js';
import type { StorePaths } from '../store/paths.js';
import { withRoom } from '../store/room.js';
import { withStaging, type Staging } from '../store/staging.js';
import type { Trust } from '../trust/judge.js';
import type { Candidate } from './candidate.js';
import { readCompanion, type Companion } from './companion.js';
import { damagedRemote, isDamagedRemote } from './failures.js';
import { StagedLayout } from './layout.js';
import { companionTagOf } from './remote.js';
import type { Registry } from './skopeo.js';

/** What has become of what a tag names. */
export type Fetched =
  | { readonly how: 'refused'; readonly entry: SnapshotEntry; readonly reason: string }
  /** The store has it, or better. Nothing travelled. */
  | { readonly how: 'skipped'; readonly entry: SnapshotEntry; readonly why: MergeLoss | 'already-there' }
  | { readonly how: 'taken'; readonly entry: SnapshotEntry; readonly result: ImportedSnapshots };

export interface FetchOptions {
  readonly registry: Registry;
  readonly trust: Trust;
  /** The container image's tarball, where it is at hand: it does not travel, if the snapshot was made with the very same. */
  readonly base?: string | null | undefined;
}

/**
 * Takes what a tag names into the store. Manifest, config and attestations come first; layers travel only when the policy accepts
 * it and the store wants it, and only those that the store has not. Then all is checked as an import is.
 * @throws RbmResumeError `DAMAGED_REMOTE`, `REMOTE_FAILED`, and as `takeSnapshots`
 */
export function fetchCandidate(
  paths: StorePaths,
  candidate: Candidate,
  from: FetchOptions,
): Promise<Fetched> {
  return withFetching(paths, candidate, {
    from,
    work: async (fetching) => {
      const { layout } = fetching;
      const judged = await judgeAttested(fetching);
      const { snapshot } = judged;
      const { entry } = snapshot;
      if ('reason' in judged) return { how: 'refused', entry, reason: judged.reason };
      const why = await reasonAgainstTaking(paths, snapshot, from.trust);
      if (why !== null) return { how: 'skipped', entry, why };
      const bytesAtHand = await fetchLayers(fetching, snapshot);
      const listings = snapshot.layers.flatMap(({ listing }) => listing ?? []);
      const result = await takeSnapshots(paths, {
        snapshots: [entry.descriptor],
        absent: new Set(
          listings.flatMap(({ digest }) => (layout.sizeOf(digest) === undefined ? [digest] : [])),
        ),
        assembly: assemblyOf(fetching),
        trust: from.trust,
        what: 'the pull',
      });
      return { how: 'taken', entry, result: { ...result, bytes: result.bytes - bytesAtHand } };
    },
  });
}

/** Whether the policy accepts what a tag names; nothing but its manifest, config and companion travels. */
export function judgeRemotely(
  paths: StorePaths,
  candidate: Candidate,
  from: { readonly registry: Registry; readonly trust: Trust },
): Promise<boolean> {
  const work = async (fetching: Fetching) => !('reason' in (await judgeAttested(fetching)));
  return withFetching(paths, candidate, { from, work });
}

interface Fetching {
  readonly paths: StorePaths;
  readonly staging: Staging;
  readonly layout: StagedLayout;
  readonly candidate: Candidate;
  readonly registry: Registry;
  readonly trust: Trust;
  readonly base?: string | null | undefined;
}

/** Does `work` with a place of its own for what comes, which is gone afterwards. */
const withFetching = <T>(
  paths: StorePaths,
  candidate: Candidate,
  how: {
    readonly from: FetchOptions;
    readonly work: (fetching: Fetching) => Promise<T>;
  },
): Promise<T> =>
  withStaging(paths, async (staging) =>
    how.work({ ...how.from, paths, staging, layout: await StagedLayout.make(paths, staging), candidate }),
  );

const assemblyOf = ({ layout, registry, paths, staging }: Fetching) =>
  openAssembly(layout.source(registry.remote), { paths, staging, folder: layout.blobs });

async function putConfig({ registry, candidate, layout }: Fetching): Promise<void> {
  const { config } = candidate.manifest;
  const { digest } = await layout.put(await registry.readConfig(`@${candidate.digest}`));
  if (digest === config.digest) return;
  throw damagedRemote(registry.remote, candidate.tag, {
    what: `its config is ${digest}, not ${config.digest}`,
  });
}

/**
 * One that can't be read, or is larger than any should be, is none, and what of it is damaged is not there: it is optional unless a
 * policy asks for it.
 */
async function fetchCompanion({
  paths,
  registry,
  candidate,
  layout,
}: Fetching): Promise<Omit<Companion, 'createdAt'>> {
  const found = await registry.readManifest(`:${companionTagOf(candidate.digest)}`);
  const companion = found === null ? null : readCompanion(found.bytes);
  if (found === null || companion === null) return { attestations: [], listings: [] };
  const parts = [...companion.attestations, ...companion.listings];
  await layout.link(parts);
  const missing = parts.filter(({ digest }) => layout.sizeOf(digest) === undefined);
  const place = { dir: paths.stagingRoot, what: 'the pull' };
  const to = { cwd: layout.cwd, name: 'companion' };
  await withRoom(place, needOf(missing), () =>
    registry.fetch(`@${found.digest}`, to).catch((error: unknown) => {
      if (!isDamagedRemote(error)) throw error;
    }),
  );
  const isThere = ({ digest, size }: BlobName) => layout.sizeOf(digest) === size;
  return {
    attestations: companion.attestations.filter(isThere),
    listings: companion.listings.filter(isThere),
  };
}

/** Fetches what has to be known of it. The first attestation that the policy accepts; without any, what is wrong with the first. */
async function judgeAttested(
  fetching: Fetching,
): Promise<{ readonly snapshot: Snapshot } | { readonly snapshot: Snapshot; readonly reason: string }> {
  await fetching.layout.put(fetching.candidate.bytes);
  await putConfig(fetching);
  const { attestations } = await fetchCompanion(fetching);
  const assembly = assemblyOf(fetching);
  let first: { readonly snapshot: Snapshot; readonly reason: string } | null = null;
  for (const attestation of attestations.length === 0 ? [null] : attestations) {
    const { descriptor } = fetching.candidate.entry(attestation);
    const snapshot = await assembly.openSnapshot(descriptor);
    const judgement = await judgeSnapshot(snapshot, fetching.trust);
    if (judgement.isAccepted) return { snapshot };
    first ??= { snapshot, reason: judgement.reason };
  }
  if (first === null) throw new Error('nothing was judged');
  return first;
}

/** @returns the bytes of the base, where it neither was in the store nor had to travel */
async function fetchLayers(
  { paths, registry, candidate, layout, base: tarball = null }: Fetching,
  snapshot: Snapshot,
): Promise<number> {
  const layers = snapshot.layers.map(({ descriptor }) => descriptor);
  await layout.link(layers);
  const base = baseLayerOf(snapshot)?.descriptor;
  const isAtHand =
    base !== undefined &&
    tarball !== null &&
    layout.sizeOf(base.digest) === undefined &&
    (await layout.linkFile(base, tarball));
  const missing = layers.filter(({ digest }) => layout.sizeOf(digest) === undefined);
  const place = { dir: paths.stagingRoot, what: 'the pull' };
  await withRoom(place, needOf(missing), () =>
    registry.fetch(`@${candidate.digest}`, { cwd: layout.cwd, name: 'snapshot' }),
  );
  return isAtHand ? base.size : 0;
}

function needOf(missing: readonly BlobName[]) {
  const bytes = missing.reduce((sum, { size }) => sum + size, 0);
  const inodes = missing.length + 3;
  return { bytes, inodes, atMost: bytes + 4096 * inodes };
}
