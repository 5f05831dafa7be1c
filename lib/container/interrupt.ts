import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { RbmResumeError } from '../errors.js';
import { writeJsonAtomically } from '../store/atomic-write.js';
import { isOwnerAlive, listLive, readRunning, readScriptEnds, type LiveEntry } from '../store/live.js';
import { withFileLock } from '../store/lock.js';
import { storePaths, type LivePaths } from '../store/paths.js';
import type { LiveRecord } from '../store/record.js';
import { traceTo } from '../trace.js';
import { findFailure } from './build-log.js';
import type { StoppedFile } from './interrupt-files.js';
import { findRunner } from './stop/processes.js';
import { stopScript, type StopReport } from './stop/stop-script.js';

const trace = traceTo('interrupt');

export interface InterruptOptions {
  readonly store: string;
  /** Which containers: one by its id (or the first digits of it), those of a project, or all. */
  readonly which: { readonly container: string } | { readonly project: string } | { readonly all: true };
  /** The time from the first SIGINT to the SIGKILL of what is still alive, in milliseconds. @default 60,000 */
  readonly graceMs?: number;
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

/**
 * Interrupts builds from outside, as the user who runs them. When it returns, nothing of their scripts is alive.
 * @throws RbmResumeError `NO_SUCH_CONTAINER` when nothing that matches is being built; `STILL_ALIVE`
 */
export async function interrupt(options: InterruptOptions): Promise<InterruptResult[]> {
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
  const graceMs = options.graceMs ?? DEFAULT_GRACE_MS;
  return Promise.all(live.map((entry) => interruptContainer(entry, { graceMs })));
}

const isMeant = (which: InterruptOptions['which'], record: LiveRecord): boolean => {
  if ('all' in which) return true;
  return 'project' in which ? record.project === which.project : record.id.startsWith(which.container);
};

const nameOf = (which: InterruptOptions['which']): string =>
  'project' in which ? `the project ${which.project}` : 'container' in which ? which.container : 'all';

/** Interrupts one build; asking twice is harmless. */
export async function interruptContainer(
  entry: LiveEntry & { readonly record: LiveRecord },
  options: { readonly graceMs: number },
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
  options: { readonly graceMs: number },
): Promise<Attempt | 'starting'> {
  const running = await readRunning(paths);
  if (running === null) {
    const isOver = !existsSync(paths.record) || (await hasEndedAll(paths, record));
    return { how: isOver ? 'ended' : 'asked', script: null, report: null };
  }
  const script = running.name;
  const state = join(record.container, 'rbm', 'resume', 'state');
  const runner = await readOneLine(join(state, 'runner'));
  if (runner !== null && /^\d+$/.test(runner)) {
    let failure: string | null = null;
    const report = await stopScript({
      rootDir: record.container,
      runnerNsPid: Number(runner),
      graceMs: options.graceMs,
      onFrozen: async () => {
        failure = await findFailure(running);
      },
    });
    if (report.wasRunning) {
      const stopped: StoppedFile = {
        script,
        failure,
        escalation: report.escalation,
        killed: report.killed.map(({ pid, command }) => `${pid} ${command}`),
        removedFiles: [...report.removedFiles],
        stoppedAt: new Date().toISOString(),
      };
      await writeJsonAtomically(paths.stopped, stopped);
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

async function hasEndedAll(paths: LivePaths, record: LiveRecord): Promise<boolean> {
  const ends = await readScriptEnds(paths);
  return record.expectedScripts?.every((name) => ends.get(name) === 0) ?? false;
}

async function readOneLine(path: string): Promise<string | null> {
  const text = await readFile(path, 'utf8').catch(() => null);
  return text === null ? null : (text.split('\n')[0] ?? null);
}
