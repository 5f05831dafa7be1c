import { messageOf } from '../errors.js';
import { listKept } from '../snapshot/kept.js';
import { listSnapshots } from '../snapshot/open-store.js';
import { Snapshot } from '../snapshot/snapshot.js';
import { storePaths } from '../store/paths.js';
import type { Leg, SnapshotRecord } from '../store/record.js';
import { describeDeltas } from './deltas.js';
import { numberLegs, type ReportedBuild, type ReportedLeg } from './reported.js';

interface Source {
  readonly state: Exclude<ReportedBuild['state'], 'finished'>;
  readonly record: SnapshotRecord;
  readonly snapshot: Snapshot | null;
}

/**
 * What a store knows of builds that were interrupted: from the records of parked trees, of those that were set aside, and of
 * snapshots.
 * @throws RbmResumeError `BAD_INDEX`, `IO_FAILED`
 */
export async function readStoredBuilds(
  store: string,
  of: { readonly project: string | null; readonly troubles: string[] },
): Promise<ReportedBuild[]> {
  const { project, troubles } = of;
  const sources = [...(await readTrees(store, troubles)), ...(await readSnapshots(store, troubles))];
  const byHash = new Map<string, [Source, ...Source[]]>();
  for (const source of sources) {
    const { hash } = source.record;
    if (project === null || source.record.project === project)
      byHash.set(hash, addTo(byHash.get(hash), source));
  }
  return Promise.all([...byHash.values()].map((group) => reportedBuild(group, troubles)));
}

const addTo = <T>(group: readonly [T, ...T[]] | undefined, one: T): [T, ...T[]] =>
  group === undefined ? [one] : [...group, one];

async function readTrees(store: string, troubles: string[]): Promise<Source[]> {
  const kept = await listKept(store);
  return kept.flatMap(({ hash, state, record, trouble }) => {
    if (trouble !== null) troubles.push(`${hash.slice(0, 16)}, ${state.replace('-', ' ')}: ${trouble}`);
    return record === null ? [] : { state, record, snapshot: null };
  });
}

async function readSnapshots(store: string, troubles: string[]): Promise<Source[]> {
  const paths = storePaths(store);
  const found: Source[] = [];
  for (const entry of await listSnapshots(paths)) {
    try {
      const snapshot = await Snapshot.open(paths, entry);
      found.push({ state: 'snapshot', record: snapshot.record, snapshot });
    } catch (error) {
      troubles.push(`${entry.hash.slice(0, 16)}@${entry.generation}: ${messageOf(error)}`);
    }
  }
  return found;
}

/** What is parked is used before the newest snapshot is (`resumeBuild` in lib/container/resume.ts); what was set aside never. */
async function reportedBuild(
  sources: readonly [Source, ...Source[]],
  troubles: string[],
): Promise<ReportedBuild> {
  const next =
    sources.find(({ state }) => state === 'parked') ?? sources.findLast(({ state }) => state === 'snapshot');
  const [any] = sources;
  const main = next ?? any;
  const { project, version, step, targets, hash } = main.record;
  const newest = sources.findLast(({ snapshot }) => snapshot !== null)?.snapshot ?? null;
  return {
    project,
    version,
    step,
    targets,
    hash,
    state: main.state,
    legs: numberLegs(legsOf(sources, next)),
    snapshot: newest === null ? null : await describeDeltas(newest, troubles),
  };
}

/** Each leg once, in whatever records it stands. */
function legsOf(sources: readonly Source[], next: Source | undefined): ReportedLeg[] {
  const keyOf = ({ startedAt, endedAt }: Leg): string => `${startedAt} ${endedAt}`;
  const going = new Set(next?.record.legs.map(keyOf));
  const seen = new Map<string, ReportedLeg>();
  // A record may name a leg twice; each of its legs counts.
  for (const { record } of next === undefined ? sources : [next, ...sources]) {
    const before = new Set(seen.keys());
    record.legs.forEach((leg, index) => {
      const key = keyOf(leg);
      if (!before.has(key))
        seen.set(
          seen.has(key) ? `${key} ${index}` : key,
          reportedLeg(leg, { fate: going.has(key) ? 'kept' : 'lost', isResumed: index > 0 }),
        );
    });
  }
  return [...seen.values()];
}

const reportedLeg = (leg: Leg, is: Pick<ReportedLeg, 'fate' | 'isResumed'>): ReportedLeg => ({
  number: 0,
  startedAt: leg.startedAt,
  endedAt: leg.endedAt,
  seconds: leg.seconds,
  ...is,
  stoppedIn: leg.stoppedIn,
  place: leg.place,
  escalation: leg.escalation,
  removedFiles: leg.removedFiles.length,
  jobClass: leg.jobClass ?? null,
  builder: leg.builder ?? null,
  from:
    leg.from == null
      ? null
      : {
          generation: leg.from.generation,
          digest: leg.from.digest,
          signedBy:
            leg.from.signer === null ? null : `${leg.from.signer.class}, key ${leg.from.signer.keyId}`,
        },
});
