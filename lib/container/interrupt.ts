import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { RbmResumeError } from '../errors.js';
import { writeJsonAtomically } from '../store/atomic-write.js';
import { writeSealedAtomically } from '../store/sealed-json.js';
import { isOwnerAlive, listLive, readRunning, readScriptEnds, type LiveEntry } from '../store/live.js';
import { withFileLock } from '../store/lock.js';
import { storePaths, type LivePaths } from '../store/paths.js';
import type { LiveRecord } from '../store/record.js';
import { traceTo } from '../trace.js';
import { findFailure } from './build-log.js';
import type { StoppedFile } from './interrupt-files.js';
import { findRunner } from './stop/processes.js';
import { DEFAULT_FINISH_STATEMENT_MS, NotYet, RestingScript } from './rest.js';
import { letGoOn, resumeDir } from './script-units.js';
import { CANCEL_GRACE_MS } from './stop/grace.js';
import { SYSTEM_CLOCK } from './stop/script-tree.js';
import { stopScript, type StopOptions, type StopReport } from './stop/stop-script.js';
import { TimeLimit } from './stop/time-limit.js';
import { namingIoFailures } from '../system-error.js';

const trace = traceTo('interrupt');

export interface InterruptOptions {
  readonly store: string;
  /** Which containers: one by its id (or the first digits of it), those of a project, or all. */
  readonly which: { readonly container: string } | { readonly project: string } | { readonly all: true };
  /** The time from the first SIGINT to the SIGKILL of what is still alive, in milliseconds. @default 60,000 */
  readonly graceMs?: number;
  /**
   * How long a statement that bears no interrupt, or a `configure` that make has begun, may take to end by itself before
   * that, in milliseconds; no more than two fifths of the grace.
   * @default 20,000
   */
  readonly finishStatementMs?: number;
}

/**
 * - `stopped`: its script was running and is dead now; the tree is kept once rbm has ended
 * - `asked`: no script was running; none will be started any more
 * - `ended`: its scripts had all ended already; the build finishes as if nobody had asked
 */
export interface InterruptResult {
  readonly id: string;
  readonly project: string;
  readonly hash: string | null;
  readonly container: string;
  readonly how: 'stopped' | 'asked' | 'ended';
  readonly script: string | null;
  readonly report: StopReport | null;
}

export const DEFAULT_GRACE_MS = 60_000;

/** The part of the grace that waiting for a statement to end may take. */
export const FINISH_PART = 0.4;

/**
 * Interrupts builds from outside, as the user who runs them. When it returns, nothing of their scripts is alive.
 * @throws RbmResumeError `NO_SUCH_CONTAINER` when nothing that matches is being built; `STILL_ALIVE`
 */
export function interrupt(options: InterruptOptions): Promise<InterruptResult[]> {
  return namingIoFailures('interrupting builds', () => interruptChosen(options));
}

async function interruptChosen(options: InterruptOptions): Promise<InterruptResult[]> {
  const live = (await listLive(storePaths(options.store))).filter(
    (entry): entry is LiveEntry & { record: LiveRecord } =>
      entry.record !== null && entry.isOwnerAlive && isMeant(options.which, entry.record),
  );
  if (live.length === 0 && !('all' in options.which)) {
    throw new RbmResumeError(
      'NO_SUCH_CONTAINER',
      `nothing that is being built is meant by ${nameOf(options.which)}`,
      {
        hint: '`rbm-resume status` lists what is being built.',
      },
    );
  }
  const { graceMs = DEFAULT_GRACE_MS, finishStatementMs = DEFAULT_FINISH_STATEMENT_MS } = options;
  return Promise.all(live.map((entry) => interruptContainer(entry, { graceMs, finishStatementMs })));
}

const isMeant = (which: InterruptOptions['which'], record: LiveRecord): boolean => {
  if ('all' in which) return true;
  return 'project' in which ? record.project === which.project : record.id.startsWith(which.container);
};

const nameOf = (which: InterruptOptions['which']): string =>
  'project' in which ? `the project ${which.project}` : 'container' in which ? which.container : 'all';

/** How long what runs may go on; see {@link InterruptOptions}. */
export interface Patience extends Required<Pick<InterruptOptions, 'graceMs' | 'finishStatementMs'>> {
  /** Once it is aborted, scripts get no more than {@link CANCEL_GRACE_MS} from then on. */
  readonly hurry?: AbortSignal | undefined;
}

/** Interrupts one build; asking twice is harmless. */
export async function interruptContainer(
  entry: LiveEntry & { readonly record: LiveRecord },
  options: Patience,
): Promise<InterruptResult> {
  const { paths, record } = entry;
  const base = { id: record.id, project: record.project, hash: record.hash, container: record.container };
  // From here on no further script of this container is started (perl-shim/libexec/remote-exec looks for the file).
  if (existsSync(paths.dir)) await writeJsonAtomically(paths.interrupt, { at: new Date().toISOString() });
  for (;;) {
    const attempt = await withFileLock(paths.lock, () => tryToStop(entry, options));
    trace('%s: %o', record.project, attempt);
    if (attempt !== 'starting') return { ...base, ...attempt };
    if (!(await isOwnerAlive(record.owner))) return { ...base, how: 'ended', script: null, report: null };
    await sleep(20);
  }
}

type Attempt = Pick<InterruptResult, 'how' | 'script' | 'report'>;

/** Under the container's lock, so the wrapper above the script waits until the tree is tidy. */
async function tryToStop(
  { paths, record }: LiveEntry & { readonly record: LiveRecord },
  options: Patience,
): Promise<Attempt | 'starting'> {
  const running = await readRunning(paths);
  if (running === null) {
    const isOver = !existsSync(paths.record) || (await hasEndedAll(paths, record));
    return { how: isOver ? 'ended' : 'asked', script: null, report: null };
  }
  const script = running.name;
  const state = join(resumeDir(record.container), 'state');
  const runner = await readOneLine(join(state, 'runner'));
  if (runner !== null && /^\d+$/.test(runner)) {
    let failure: string | null = null;
    let place: string | null = null;
    const resting = await RestingScript.of(record.container, paths);
    const { graceMs, hurry } = options;
    const finish = new TimeLimit({
      clock: SYSTEM_CLOCK,
      ms: Math.min(options.finishStatementMs, graceMs * FINISH_PART),
      hurry,
      hurriedMs: CANCEL_GRACE_MS * FINISH_PART,
    });
    await resting?.comeToRest(finish);
    const report = await stopAtRest({
      rootDir: record.container,
      runnerNsPid: Number(runner),
      graceMs,
      hurry,
      configures: finish,
      onFrozen: async ({ hasPrograms, failure: failed }) => {
        failure = (await findFailure(running)) ?? failed;
        await resting?.assertStoppable(hasPrograms);
        place = (await resting?.describe()) ?? null;
        const version = (await resting?.unsupported()) ?? null;
        if (version !== null)
          await writeFile(
            paths.unresumable,
            `${script} is run by bash ${version}, which is older than 4.4\n`,
          );
      },
    });
    if (report.wasRunning) {
      const stopped: StoppedFile = {
        script,
        failure,
        escalation: report.escalation,
        killed: report.killed.map(({ pid, command }) => `${pid} ${command}`),
        removedFiles: [...report.removedFiles],
        unfinished: [...report.unfinished],
        stoppedAt: new Date().toISOString(),
        place,
      };
      await writeSealedAtomically(paths.stopped, stopped);
      return { how: 'stopped', script, report };
    }
    const isOver =
      (await readOneLine(join(state, 'status'))) !== null ||
      findRunner(record.container, Number(runner)) === null;
    if (isOver) return { how: 'ended', script, report: null };
  }
  // Between the wrapper's start and the script's own: it comes in a moment.
  return 'starting';
}

/** As {@link stopScript}, as often as it takes to find the script where it may be stopped. */
async function stopAtRest(options: StopOptions): Promise<StopReport> {
  for (;;) {
    try {
      return await stopScript(options);
    } catch (error) {
      if (!(error instanceof NotYet)) {
        await letGoOn(options.rootDir);
        throw error;
      }
      await sleep(10);
    }
  }
}

async function hasEndedAll(paths: LivePaths, record: LiveRecord): Promise<boolean> {
  const ends = await readScriptEnds(paths);
  return record.expectedScripts?.every((name) => ends.get(name) === 0) ?? false;
}

async function readOneLine(path: string): Promise<string | null> {
  const text = await readFile(path, 'utf8').catch(() => null);
  return text === null ? null : (text.split('\n')[0] ?? null);
}
