import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { ProjectHash } from '../digest.js';
import { messageOf } from '../errors.js';
import { dropSnapshots } from '../snapshot/drop.js';
import { chargeFailedTry, failedTries, forgetFailedTries, MAX_FAILED_TRIES } from '../store/ledger.js';
import { readScriptCpuSeconds, readScriptEnds } from '../store/live.js';
import { withStoreLock } from '../store/lock.js';
import { storePaths, type LivePaths, type StorePaths } from '../store/paths.js';
import { readKeptRecord, readLiveRecord, type LiveRecord } from '../store/record.js';
import { traceTo } from '../trace.js';
import type { Remote } from '../registry/remote.js';
import { forgetInRegistry } from './ask-registry.js';
import { readStopped } from './interrupt-files.js';
import { NO_POLICY, type Trust } from '../trust/judge.js';
import { discardDirectory, moveTree, removeTree } from '../rootfs/move-tree.js';
import { keep } from './keep.js';
import { decideOutcome, type ContainerFacts, type Outcome } from './outcome.js';
import type { ParkResult } from './park.js';
import { writeProvenance, type ProvenanceOptions } from './provenance.js';
import type { RunDirectory } from './run-directory.js';
import { namingIoFailures } from '../system-error.js';

const trace = traceTo('exit');

export interface ExitOptions {
  readonly container: string;
  readonly store: string;
  /** Removes the container; resolves to its exit status. @default removal inside the id map */
  readonly remove?: () => Promise<number>;
  readonly run: RunDirectory | null;
  /** By what snapshots are judged. @default everything is taken */
  readonly trust?: Trust;
  /** A registry from which the snapshot of a build that has succeeded goes. @default none */
  readonly remote?: Remote | null;
  /** Where it is told how the output of a build that has succeeded came about. @default nowhere */
  readonly provenance?: ProvenanceOptions | null;
  /** Called with a line when something begins that takes long. */
  readonly onProgress?: (line: string) => void;
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
export function exitContainer(options: ExitOptions): Promise<ExitResult> {
  return namingIoFailures(`ending the container ${options.container}`, () => concludeBuild(options));
}

async function concludeBuild(options: ExitOptions): Promise<ExitResult> {
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
  const scriptCpuSeconds = await measureScript(live, record);
  const outcome = decideOutcome(facts);
  trace('%s: %s (%o)', record.project, outcome, [...facts.ends]);
  const onCopy = () =>
    options.onProgress?.(
      `${record.project}: the store lies on another file system than tmp_dir; copying the tree`,
    );
  const ending = await keep(paths, { record, live, outcome, ends: facts.ends, notes, onCopy });
  const isLost = ending === 'lost';
  const kept = isLost ? null : ending;
  try {
    if (kept === null || kept === 'already-kept') await discard(options, { record, outcome, notes });
    if (outcome === 'succeeded') await tellProvenance(options, record, notes);
    if (record.hash !== null)
      await settle(paths, record.hash, { outcome, record, notes, trust: options.trust ?? NO_POLICY });
    if (record.hash !== null && outcome === 'succeeded')
      notes.push(...(await forgetInRegistry(options, { live, record, hash: record.hash })));
  } finally {
    await rm(live.dir, { recursive: true, force: true });
    await options.run?.endContainer(id, {
      project: record.project,
      hash: record.hash,
      outcome,
      kept: kept !== null,
      lost: isLost,
      resumed: record.resumed,
      scriptCpuSeconds,
      container: options.container,
      store: options.store,
    });
  }
  return { outcome, kept, notes };
}

/** Its seconds of processor time. Whatever is in the way of reading them is no reason to keep less. */
async function measureScript(live: LivePaths, { step }: LiveRecord): Promise<number | null> {
  if (step === null) return null;
  return readScriptCpuSeconds(live, step).catch((error: unknown) => {
    trace('what the processor has done is not known: %s', messageOf(error));
    return null;
  });
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

/** A statement that can't be written costs no build. */
async function tellProvenance(options: ExitOptions, record: LiveRecord, notes: string[]): Promise<void> {
  if (options.provenance == null) return;
  try {
    notes.push(`how its output came about is told in ${await writeProvenance(record, options.provenance)}`);
  } catch (error) {
    notes.push(`how its output came about could not be told: ${messageOf(error)}`);
  }
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

/** Books the end of a build under its hash. */
async function settle(
  paths: StorePaths,
  hash: ProjectHash,
  ending: {
    readonly outcome: Outcome;
    readonly record: LiveRecord;
    readonly notes: string[];
    readonly trust: Trust;
  },
): Promise<void> {
  const { outcome, record, notes, trust } = ending;
  if (outcome === 'succeeded') {
    await dropKept(paths, hash, trust);
  } else if (record.resumed && ['failed', 'never-ran', 'get-failed'].includes(outcome)) {
    const tries = await withStoreLock(paths, () => chargeFailedTry(paths, hash, record.jobClass));
    notes.push(`${record.project} failed after it was resumed: failed try ${tries} of ${MAX_FAILED_TRIES}`);
  }
}

/** Nothing kept and nothing charged, as for most builds, needs no lock. */
async function dropKept(paths: StorePaths, hash: ProjectHash, trust: Trust): Promise<void> {
  const { jobClass } = trust;
  await dropSnapshots(paths, hash, trust);
  const parked = paths.parked(hash);
  const isOthers = await readKeptRecord(parked.record).then(
    (record) => record.jobClass !== jobClass,
    () => false,
  );
  const own = isOthers ? [] : [parked.dir];
  const dirs = [...own, join(paths.setAsideRoot, hash)].filter((dir) => existsSync(dir));
  if (dirs.length === 0 && (await failedTries(paths, hash, jobClass)) === 0) return;
  await withStoreLock(paths, async () => {
    for (const dir of dirs) await discardDirectory(dir);
    await forgetFailedTries(paths, hash, jobClass);
  });
}

async function removeContainer(options: ExitOptions): Promise<void> {
  if (!existsSync(options.container)) return;
  if (options.remove === undefined) return removeTree(options.container);
  const status = await options.remove();
  if (status !== 0) throw new Error(`removing the container ended with status ${status}`);
}
