import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { ProjectHash } from '../digest.js';
import { messageOf } from '../errors.js';
import { chargeFailedTry, failedTries, forgetFailedTries, MAX_FAILED_TRIES } from '../store/ledger.js';
import { readLines, readScriptEnds, type ScriptEnd } from '../store/live.js';
import { withStoreLock } from '../store/lock.js';
import { storePaths, type LivePaths, type StorePaths } from '../store/paths.js';
import { readLiveRecord, type Leg, type LiveRecord } from '../store/record.js';
import { traceTo } from '../trace.js';
import { readStopped, type StoppedFile } from './interrupt-files.js';
import { moveTree, removeTree } from '../rootfs/move-tree.js';
import { fingerprintInputs } from './inputs.js';
import { decideOutcome, isWorthKeeping, type ContainerFacts, type Outcome } from './outcome.js';
import { park, type ParkResult } from './park.js';
import type { RunDirectory } from './run-directory.js';

const trace = traceTo('exit');

export interface ExitOptions {
  readonly container: string;
  readonly store: string;
  /** Removes the container; resolves to its exit status. @default removal inside the id map */
  readonly remove?: () => Promise<number>;
  readonly run: RunDirectory | null;
}

export interface ExitResult {
  readonly outcome: Outcome;
  readonly kept: ParkResult | null;
  readonly notes: readonly string[];
}

/**
 * Ends the container of a build by what its scripts' own ends say: parks it, or removes it. What a resume was made from
 * is charged when the build failed, and dropped when it succeeded.
 */
export async function exitContainer(options: ExitOptions): Promise<ExitResult> {
  const paths = storePaths(options.store);
  const id = basename(options.container);
  const live = paths.live(id);
  const notes: string[] = [];
  const record = await readLiveRecord(live.record).catch(() => null);
  if (record === null) {
    await removeContainer(options);
    await rm(live.dir, { recursive: true, force: true });
    return { outcome: 'unknown', kept: null, notes };
  }
  const facts = await readFacts(options, { record, live, notes });
  const outcome = decideOutcome(facts);
  trace('%s: %s (%o)', record.project, outcome, [...facts.ends]);
  const kept = await keep(paths, { record, live, outcome, ends: facts.ends, notes });
  try {
    if (kept === null || kept === 'already-kept') await discard(options, { record, outcome, notes });
    if (record.hash !== null) await settle(paths, record.hash, { outcome, record, notes });
  } finally {
    await rm(live.dir, { recursive: true, force: true });
    await options.run?.endContainer(id, {
      project: record.project,
      hash: record.hash,
      outcome,
      kept: kept !== null,
      resumed: record.resumed,
      container: options.container,
    });
  }
  return { outcome, kept, notes };
}

async function readFacts(
  options: ExitOptions,
  at: { readonly record: LiveRecord; readonly live: LivePaths; readonly notes: string[] },
): Promise<ContainerFacts> {
  const { record, live, notes } = at;
  const ends = await readScriptEnds(live);
  const failure = (await readStopped(live))?.failure ?? null;
  if (failure !== null) {
    notes.push(
      `${record.project} was failing already when it was interrupted, so nothing is kept: ${failure}`,
    );
    for (const [name, end] of ends) if (end === 'interrupted') ends.set(name, 'unknown');
  }
  return {
    expectedScripts: record.expectedScripts,
    ends,
    isInterruptAsked:
      existsSync(live.interrupt) || (options.run !== null && (await options.run.isInterruptAsked())),
    isResumed: record.resumed,
    isWatched: existsSync(live.tmpFoldersGiven),
  };
}

/** Removes a container, or keeps it for a look where the workspace asks for that. */
async function discard(
  options: ExitOptions,
  ending: { readonly record: LiveRecord; readonly outcome: Outcome; readonly notes: string[] },
): Promise<void> {
  const { record, outcome, notes } = ending;
  if (outcome !== 'failed' || !record.keepFailed) return removeContainer(options);
  // Not where it is: rbm removes its own temporary folder when it ends.
  const place = join(storePaths(options.store).failedRoot, record.id, 'rootfs');
  await moveTree(options.container, place);
  notes.push(`${record.project} failed; its container stays for a look: ${place}`);
}

interface Ending {
  readonly record: LiveRecord;
  readonly live: LivePaths;
  readonly outcome: Outcome;
  readonly ends: ReadonlyMap<string, ScriptEnd>;
  readonly notes: string[];
}

async function keep(paths: StorePaths, ending: Ending): Promise<ParkResult | null> {
  const { record, live, outcome, ends, notes } = ending;
  const { hash, project } = record;
  if (hash === null || !isWorthKeeping(outcome, record.resumed)) {
    if (outcome.startsWith('interrupted')) notes.push(`${project} was interrupted; ${reasonNotKept(ending)}`);
    return null;
  }
  const stopped = await readStopped(live);
  const leg = legOf(record, { ends, stopped });
  try {
    const how = await park(paths, {
      container: record.container,
      live,
      record: {
        format: record.format,
        project,
        step: record.step,
        targets: record.targets,
        version: record.version,
        filename: record.filename,
        workspace: record.workspace,
        expectedScripts: record.expectedScripts,
        idMap: record.idMap,
        legs: [...record.legs, leg],
        hash,
        container: record.container,
        tmpFolders: await readLines(live.tmpFolders),
        inputs: record.inputsDir === null ? null : await fingerprintInputs(record.inputsDir, record),
        endedScripts: [...ends].filter(([name, end]) => name !== 'get' && end === 0).map(([name]) => name),
        baseline: record.baseline,
        reason: outcome,
      },
    });
    notes.push(...describeParking(how, { hash, project, leg, outcome }));
    return how;
  } catch (error) {
    notes.push(`${project} could not be kept: ${messageOf(error)}`);
    return null;
  }
}

const reasonNotKept = ({ record, outcome }: Ending): string => {
  if (record.hash === null) return 'nothing is kept of it, since var/resume is off for it';
  return outcome === 'interrupted-early'
    ? 'its build script had not begun, so nothing is kept'
    : 'nothing is kept';
};

function describeParking(
  how: ParkResult,
  parked: {
    readonly hash: ProjectHash;
    readonly project: string;
    readonly leg: Leg;
    readonly outcome: Outcome;
  },
): string[] {
  const { hash, project, leg, outcome } = parked;
  if (how === 'already-kept') {
    return [`${project}: more work is kept under ${hash} already, by another build; this one is removed`];
  }
  const why = {
    interrupted:
      leg.stoppedIn === null ? 'interrupted between two scripts' : `interrupted during ${leg.stoppedIn}`,
    'get-failed': 'its output could not be copied out',
  }[outcome as string];
  const notes = [`${project} ${why ?? 'did not start'}; its root filesystem is kept under ${hash}`];
  if (how === 'copy') {
    notes.push(
      'the store lies on another file system than tmp_dir, so the tree was copied: this took longer',
    );
  }
  if (leg.removedFiles.length > 0) {
    notes.push(
      `removed, since they were being written when a process was killed: ${leg.removedFiles.join(', ')}`,
    );
  }
  return notes;
}

function legOf(
  record: LiveRecord,
  how: { readonly ends: ReadonlyMap<string, ScriptEnd>; readonly stopped: StoppedFile | null },
): Leg {
  const endedAt = new Date();
  return {
    startedAt: record.startedAt,
    endedAt: endedAt.toISOString(),
    seconds: Math.max(0, (endedAt.getTime() - Date.parse(record.startedAt)) / 1000),
    stoppedIn: [...how.ends].find(([, end]) => end === 'interrupted')?.[0] ?? null,
    escalation: how.stopped?.escalation ?? null,
    removedFiles: how.stopped?.removedFiles ?? [],
  };
}

/** Books the end of a build under its hash. */
async function settle(
  paths: StorePaths,
  hash: ProjectHash,
  ending: { readonly outcome: Outcome; readonly record: LiveRecord; readonly notes: string[] },
): Promise<void> {
  const { outcome, record, notes } = ending;
  if (outcome === 'succeeded') {
    await dropKept(paths, hash);
  } else if (record.resumed && ['failed', 'never-ran', 'get-failed'].includes(outcome)) {
    const tries = await withStoreLock(paths, () => chargeFailedTry(paths, hash));
    notes.push(`${record.project} failed after it was resumed: failed try ${tries} of ${MAX_FAILED_TRIES}`);
  }
}

/** Nothing kept and nothing charged, as for most builds, needs no lock. */
async function dropKept(paths: StorePaths, hash: ProjectHash): Promise<void> {
  const dirs = [paths.parked(hash).dir, join(paths.setAsideRoot, hash)].filter((dir) => existsSync(dir));
  if (dirs.length === 0 && (await failedTries(paths, hash)) === 0) return;
  await withStoreLock(paths, async () => {
    for (const dir of dirs) await removeTree(dir);
    await forgetFailedTries(paths, hash);
  });
}

async function removeContainer(options: ExitOptions): Promise<void> {
  if (!existsSync(options.container)) return;
  if (options.remove === undefined) return removeTree(options.container);
  const status = await options.remove();
  if (status !== 0) throw new Error(`removing the container ended with status ${status}`);
}
