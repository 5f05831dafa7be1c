import { existsSync } from 'node:fs';
import { messageOf, RbmResumeError } from '../errors.js';
import { removeTree } from '../rootfs/move-tree.js';
import { isDefect } from '../snapshot/defect.js';
import { quarantine } from '../snapshot/drop.js';
import { judgeSnapshot, signedTreeDigest } from '../snapshot/judge-snapshot.js';
import type { JudgedEntry } from '../snapshot/index-entries.js';
import { judgeIndex, listSnapshots, snapshotsAmong } from '../snapshot/open-store.js';
import { openListed, tellingReplacement } from '../snapshot/replaced.js';
import { restoreTree } from '../snapshot/restore.js';
import type { Snapshot, SnapshotEntry } from '../snapshot/snapshot.js';
import { failedTries, forgetFailedTries, givenUp, giveUp, MAX_FAILED_TRIES } from '../store/ledger.js';
import { withHashLock, withStoreLock } from '../store/lock.js';
import type { StorePaths } from '../store/paths.js';
import { workSeconds, type KeptRecord, type LiveRecord } from '../store/record.js';
import { mayResume, type Judgement, type Trust } from '../trust/judge.js';
import { findImage } from './hold-base.js';
import { reasonAgainstDivision, reasonAgainstInputs } from './inputs.js';
import { takeBack, type Taker } from './take-back.js';
import { reasonAgainstRecord } from './record-check.js';
import { reasonAgainstFolders, reasonAgainstState, reasonAgainstTree } from './tree-check.js';

/** What a build goes on with: what was known of it when it was interrupted. */
export type Resumed = Pick<
  KeptRecord,
  'project' | 'legs' | 'tmpFolders' | 'endedScripts' | 'parkedAt' | 'baseline' | 'image' | 'snapshot'
> & { readonly signer?: LiveRecord['signer'] | undefined };

/**
 * Makes the container of a build from what is parked under its hash, or else from a snapshot. Whatever is wrong with either,
 * the notes say so and there is no container. What is parked is this machine's own; a snapshot is judged before it is used.
 */
export async function resume(
  paths: StorePaths,
  started: LiveRecord,
  by: { readonly trust: Trust; readonly notes: string[] },
): Promise<Resumed | null> {
  const { hash } = started;
  if (hash === null) return null;
  const taker = { ...started, hash };
  const { trust, notes } = by;
  try {
    if (!mayResume(trust)) {
      if (existsSync(paths.parked(hash).dir) || (await snapshotsOf(paths, taker)).length > 0)
        notes.push('a release goes on in nothing, since no policy switches that on: the build starts clean');
      return null;
    }
    // Counted before: what is set aside forgets its tries, and a snapshot of the same tree fails just so.
    const tries = await failedTries(paths, hash, taker.jobClass);
    const parked = await resumeParked(paths, taker, notes);
    if (parked !== null) return parked;
    if (trust.trouble === null) return await resumeSnapshot(paths, taker, { tries, notes, trust });
    notes.push(`no snapshot is used, and the build starts clean: ${trust.trouble}`);
    return null;
  } catch (error) {
    notes.push(`cannot use what is kept under ${hash}, the build starts clean: ${messageOf(error)}`);
    if (existsSync(started.container)) await removeTree(started.container);
    return null;
  }
}

async function resumeParked(paths: StorePaths, taker: Taker, notes: string[]): Promise<Resumed | null> {
  const taken = await takeBack(paths, taker);
  if (taken.how === 'nothing-kept') return null;
  if (taken.how === 'set-aside' || taken.how === 'left') {
    const next =
      (await snapshotsOf(paths, taker)).length > 0 ? 'its snapshot is tried' : 'the build starts clean';
    const what = taken.how === 'left' ? 'was kept, and stays,' : 'was kept';
    const where = taken.how === 'left' ? "can't be used now" : 'is set aside';
    notes.push(`what ${what} under ${taker.hash} ${where}, ${next}: ${taken.reason}`);
    return null;
  }
  notes.push(describe(taken.record, `the root filesystem kept at ${taken.record.parkedAt}`));
  if (taken.how === 'copy') notes.push('it lay on another file system and had to be copied');
  return taken.record;
}

async function resumeSnapshot(paths: StorePaths, taker: Taker, known: Known): Promise<Resumed | null> {
  const { hash } = taker;
  const { tries, notes } = known;
  // Most builds were never interrupted: they don't wait for a lock.
  const judged = existsSync(paths.index) ? await judgeIndex(paths, hash) : [];
  notes.push(...judged.flatMap(contradictionOf));
  if (snapshotsAmong(judged).length === 0) return null;
  return withHashLock(paths, hash, async () => {
    if (tries >= MAX_FAILED_TRIES) {
      await takeOutOfUse(paths, taker, known);
      notes.push('the build starts clean');
      return null;
    }
    const skipped = await givenUp(paths, hash, taker.jobClass ?? null);
    const tried = new Set<string>();
    // Looked up anew each time: others may save, import and prune meanwhile.
    const next = async () =>
      (await snapshotsOf(paths, taker)).findLast((one) => !tried.has(JSON.stringify(one.descriptor)));
    for (let entry = await next(); entry !== undefined; entry = await next()) {
      tried.add(JSON.stringify(entry.descriptor));
      const name = `snapshot ${hash}@${entry.generation}`;
      if (skipped.has(entry.digest)) {
        notes.push(`the ${name} is not used: builds that were resumed from it have failed`);
        continue;
      }
      try {
        const snapshot = await openListed(paths, entry);
        const judgement = await judgeSnapshot(snapshot, known.trust);
        // It stays: a job of another class may use it.
        if (judgement.isAccepted) return await restoreFor(snapshot, { taker, notes, judgement });
        notes.push(`the ${name} is not used: ${judgement.reason}`);
      } catch (error) {
        notes.push(`the ${name} can't be used: ${messageOf(error)}`);
        if (isDefect(error)) {
          await quarantine(paths, entry, messageOf(error));
          notes.push('it is taken out of use');
        }
      }
    }
    notes.push('the build starts clean');
    return null;
  });
}

interface Known {
  readonly tries: number;
  readonly notes: string[];
  readonly trust: Trust;
}

/** Builds that were resumed here have failed too often. Jobs of a class leave to others what these may use. */
async function takeOutOfUse(paths: StorePaths, taker: Taker, known: Known): Promise<void> {
  const { hash, jobClass = null } = taker;
  const { tries, notes } = known;
  const entries = await snapshotsOf(paths, taker);
  const reason = `${tries} builds that were resumed under this hash have failed`;
  for (const entry of entries.toReversed()) {
    if (jobClass === null) await quarantine(paths, entry, reason);
    const what = jobClass === null ? 'taken out of use' : `no more used by jobs of class ${jobClass}`;
    notes.push(`the snapshot ${hash}@${entry.generation} is ${what}: ${reason}`);
  }
  const digests = entries.map(({ digest }) => digest);
  await withStoreLock(paths, () =>
    jobClass === null ? forgetFailedTries(paths, hash) : giveUp(paths, hash, { jobClass, digests }),
  );
}

/** A line about an entry of the index that is not used. */
function contradictionOf(judged: JudgedEntry): string[] {
  if (judged.kind !== 'contradictory') return [];
  const { name, why } = judged;
  return [
    `the entry ${name} of the index is not used, the build starts clean unless another is: ${why}; ` +
      '`rbm-resume verify --repair` puts it right',
  ];
}

const snapshotsOf = async (paths: StorePaths, { hash }: Taker): Promise<SnapshotEntry[]> =>
  existsSync(paths.index) ? listSnapshots(paths, hash) : [];

async function restoreFor(
  snapshot: Snapshot,
  build: { readonly taker: Taker; readonly notes: string[]; readonly judgement: Judgement },
): Promise<Resumed | null> {
  const { taker, notes, judgement } = build;
  const { record, entry, paths } = snapshot;
  refuseDefect(entry, reasonAgainstRecord(record, taker));
  const tree = await tellingReplacement(snapshot.paths, snapshot.entry, () => snapshot.tree());
  refuseDefect(entry, reasonAgainstTree(tree) ?? reasonAgainstFolders(record, tree));
  const reason = reasonAgainstDivision(record) ?? (await reasonAgainstInputs(record, taker));
  if (reason !== null) {
    notes.push(
      `the snapshot ${entry.hash}@${entry.generation} is not used, and the build starts clean: ${reason}`,
    );
    return null;
  }
  const { listing } = await restoreTree(snapshot, {
    dir: taker.container,
    tree,
    treeDigest: signedTreeDigest(judgement),
    base: await findImage(taker.inputsDir),
    listingTo: paths.live(taker.id).baseline,
  });
  const state = await reasonAgainstState(taker.container, record);
  if (state !== null) await removeTree(taker.container);
  refuseDefect(entry, state);
  notes.push(describe(record, `the snapshot of ${record.parkedAt} (generation ${entry.generation})`));
  const { digest, generation } = entry;
  return {
    ...record,
    baseline: listing,
    image: null,
    snapshot: { digest, generation },
    signer: signerOf(judgement),
  };
}

function signerOf(judgement: Judgement): LiveRecord['signer'] {
  if (!judgement.isAccepted || judgement.statement === null || judgement.signer === null) return null;
  return { class: judgement.statement.predicate.class, keyId: judgement.signer.keyId };
}

/** What the snapshot itself is to blame for. */
function refuseDefect(entry: SnapshotEntry, reason: string | null): void {
  if (reason === null) return;
  const { hash, generation } = entry;
  throw new RbmResumeError('DAMAGED_SNAPSHOT', reason, {
    hint: 'It is taken out of use; `rbm-resume prune` removes it.',
    fields: { hash, generation },
  });
}

function describe(record: Pick<KeptRecord, 'project' | 'legs'>, where: string): string {
  const minutes = Math.round(workSeconds(record) / 6) / 10;
  return `${record.project} goes on in ${where}, after ${record.legs.length} leg(s) and ${minutes} min of work`;
}
