import { existsSync } from 'node:fs';
import { spawn, type ChildProcess } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf, RbmResumeError, systemErrorCode } from '../errors.js';
import { readLive } from '../store/live.js';
import { storePaths } from '../store/paths.js';
import { traceTo } from '../trace.js';
import { DEFAULT_GRACE_MS, interruptContainer, type InterruptResult } from './interrupt.js';
import { DEFAULT_FINISH_STATEMENT_MS } from './rest.js';
import { RunDirectory } from './run-directory.js';
import { judgeRun, type InterruptReason, type RunResult } from './run-result.js';
import { namingIoFailures } from '../system-error.js';

const trace = traceTo('run');

/** After how long a container whose script could not be stopped is tried again. */
const RETRY_MS = 500;

/** After how long without any container a person is told why nothing ends. */
const WAITING_MS = 1_000;

/** The same after a container has ended: rbm is about to end as well. */
const ENDING_MS = 10_000;

/** When a person is told that no rbm has loaded the shim: it is loaded with rbm's configuration, in the first second. */
const LOADING_MS = 20_000;

export interface RunOptions {
  /** The whole rbm command, such as `['./rbm/rbm', 'build', 'clang']`. */
  readonly argv: readonly [string, ...string[]];
  /** When to interrupt. @default never */
  readonly deadline?: Date;
  /** How long scripts may take to end once they are interrupted, in milliseconds. @default 60,000 */
  readonly graceMs?: number;
  /** See `InterruptOptions`. @default 20,000 */
  readonly finishStatementMs?: number;
  readonly cwd?: string;
  /** @default this process' environment */
  readonly env?: NodeJS.ProcessEnv;
  /** Where rbm's standard output goes: on to this process' own, or to its standard error. @default 'stdout' */
  readonly outputTo?: 'stdout' | 'stderr';
  /** Cancels the run: scripts get no more than `CANCEL_GRACE_MS`, also those that are being interrupted already. */
  readonly signal?: AbortSignal;
  /** Interrupts as a deadline does, with the whole grace. */
  readonly interruptSignal?: AbortSignal;
  /**
   * Stops rbm itself, too, while it works on the host (a clone, a download, an `exec` input). What it was making there
   * may stay half made, and rbm takes it for whole: nothing but a person should ask for this.
   */
  readonly killSignal?: AbortSignal;
  /** Called when something happens that a person waits for. */
  readonly onProgress?: (progress: RunProgress) => void;
}

export type RunProgress =
  | { readonly what: 'interrupting'; readonly why: InterruptReason }
  | { readonly what: 'interrupted'; readonly result: InterruptResult }
  | { readonly what: 'trouble'; readonly message: string }
  | { readonly what: 'waiting-for-rbm' }
  /** No rbm below has loaded the shim so far: nothing can be interrupted or kept. */
  | { readonly what: 'not-loaded' };

/**
 * Runs rbm, interrupts it at the deadline, and waits until what is worth it is kept.
 *
 * rbm gets a session of its own: a Ctrl-C in the terminal reaches this process alone, which then stops the build the
 * right way. SIGINT and SIGTERM have their default meaning again below it, whatever this process was started with.
 * @throws RbmResumeError `COMMAND_NOT_FOUND`
 */
export function runBuild(options: RunOptions): Promise<RunResult> {
  return namingIoFailures('running rbm', () => runRbm(options));
}

async function runRbm(options: RunOptions): Promise<RunResult> {
  const directory = await RunDirectory.make();
  try {
    const child = await start(options, directory);
    const ended = new Promise<{ status: number | null; signal: NodeJS.Signals | null }>((resolve) => {
      child.on('close', (status, signal) => resolve({ status, signal }));
    });
    const interruptedBy = await waitForEndOrInterrupt(options, { child, directory, ended });
    const { status, signal } = await ended;
    const containers = await directory.readEvents();
    trace('rbm ended with %o, containers: %o', { status, signal }, containers);
    return {
      ...judgeRun({ status, signal, interruptedBy, containers }),
      rbmSignal: signal,
      interruptedBy,
      containers,
    };
  } finally {
    await directory.remove();
  }
}

function start(options: RunOptions, directory: RunDirectory): Promise<ChildProcess> {
  const [program, ...args] = options.argv;
  const child = spawn(program, args, {
    cwd: options.cwd ?? process.cwd(),
    detached: true,
    stdio: ['ignore', options.outputTo === 'stderr' ? 2 : 'inherit', 'inherit'],
    env: { ...(options.env ?? process.env), RBM_NO_DEBUG: '1', [RunDirectory.variable]: directory.path },
  });
  return new Promise((resolve, reject) => {
    child.once('spawn', () => resolve(child));
    child.once('error', (cause) => {
      const code = systemErrorCode(cause) === 'ENOENT' ? 'COMMAND_NOT_FOUND' : 'COMMAND_FAILED';
      reject(new RbmResumeError(code, `cannot start ${program}: ${cause.message}`, { cause }));
    });
  });
}

interface Running {
  readonly child: ChildProcess;
  readonly directory: RunDirectory;
  readonly ended: Promise<unknown>;
}

async function waitForEndOrInterrupt(options: RunOptions, run: Running): Promise<RunResult['interruptedBy']> {
  const over = new AbortController();
  const tellUnlessLoaded = async () => {
    await sleep(LOADING_MS, undefined, { signal: over.signal });
    if (!run.directory.hasLoadedShim()) options.onProgress?.({ what: 'not-loaded' });
  };
  tellUnlessLoaded().catch(() => trace('it was over before'));
  const why = await Promise.race([
    run.ended.then(() => null),
    untilTime(options.deadline, over.signal).then(() => 'deadline' as const),
    untilAborted(options.signal, over.signal).then(() => 'cancelled' as const),
    untilAborted(options.interruptSignal, over.signal).then(() => 'asked' as const),
  ]);
  over.abort();
  if (why === null) return null;
  options.onProgress?.({ what: 'interrupting', why });
  await stopRun(options, run);
  return why;
}

/** Interrupts every container of the run, one after the other as they come, until rbm has ended. */
async function stopRun(options: RunOptions, run: Running): Promise<void> {
  await run.directory.askForInterrupt();
  const { graceMs = DEFAULT_GRACE_MS, finishStatementMs = DEFAULT_FINISH_STATEMENT_MS } = options;
  const over = new AbortController();
  const ended = run.ended.then(() => over.abort());
  const triedAt = new Map<string, number>();
  // Of a run that is over, the process id may be somebody else's.
  const kill = () => signalGroup(run.child, 'SIGINT');
  options.killSignal?.addEventListener('abort', kill, { once: true, signal: over.signal });
  let since = Date.now();
  const told = new Set<string>();
  let hasTold = false;
  while (!over.signal.aborted) {
    const containers = await run.directory.containerStores();
    for (const { id, store } of containers) {
      const entry = await readLive(storePaths(store), id);
      // Without a record it is still being made, and no script will be started in it. One that could not be stopped,
      // for whatever reason, is tried again: past its deadline a build would lose everything.
      if (!entry.record || existsSync(entry.paths.stopped)) continue;
      const isFirst = !triedAt.has(id);
      if (!isFirst && (entry.running === null || Date.now() - (triedAt.get(id) ?? 0) < RETRY_MS)) continue;
      try {
        const result = await interruptContainer(
          { ...entry, record: entry.record },
          { graceMs, finishStatementMs, hurry: options.signal },
        );
        if (isFirst || result.how === 'stopped') options.onProgress?.({ what: 'interrupted', result });
      } catch (error) {
        options.onProgress?.({ what: 'trouble', message: messageOf(error) });
      }
      triedAt.set(id, Date.now());
    }
    for (const message of await run.directory.readGivenUp()) {
      if (!told.has(message)) options.onProgress?.({ what: 'trouble', message });
      told.add(message);
    }
    if (containers.length > 0) since = Date.now();
    const waitsSince = Date.now() - since;
    // No container at all: rbm works on the host itself. A file that it is making there would be taken for whole the
    // next time, so it goes on until it wants its next container, which it doesn't get.
    if (!hasTold && told.size === 0 && waitsSince > (triedAt.size === 0 ? WAITING_MS : ENDING_MS)) {
      options.onProgress?.({ what: run.directory.hasLoadedShim() ? 'waiting-for-rbm' : 'not-loaded' });
      hasTold = true;
    }
    await Promise.race([ended, sleep(50)]);
  }
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch (error) {
    if (systemErrorCode(error) !== 'ESRCH') throw error;
  }
}

/** Longer waits than 24.8 days overflow Node's timers, so they are taken in pieces. */
async function untilTime(time: Date | undefined, over: AbortSignal): Promise<void> {
  if (time === undefined) return never();
  try {
    for (let left = time.getTime() - Date.now(); left > 0; left = time.getTime() - Date.now()) {
      await sleep(Math.min(left, 2 ** 30), undefined, { signal: over });
    }
  } catch {
    return never();
  }
}

function untilAborted(signal: AbortSignal | undefined, over: AbortSignal): Promise<void> {
  if (signal === undefined) return never();
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true, signal: over });
  });
}

const never = (): Promise<never> => new Promise(() => {});
