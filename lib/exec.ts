import { spawn, type ChildProcess, type SpawnOptions, type StdioOptions } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { RbmResumeError, systemErrorCode } from './errors.js';
import { traceTo } from './trace.js';

const trace = traceTo('exec');

/** Where system programs are looked up, whatever the caller's own `PATH` says. */
export const SYSTEM_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export interface ExecOptions {
  readonly cwd?: string;
  /** Added to the cleared environment (`PATH`, `LC_ALL=C`, `TZ=UTC`): `TAR_OPTIONS` and its like never get through. */
  readonly env?: Readonly<Record<string, string>>;
  /** Bytes for standard input. @default none (`/dev/null`) */
  readonly input?: string | Uint8Array;
  /** A descriptor that standard input is. */
  readonly stdinFrom?: number;
  /** Writes standard input; it is closed when the promise is fulfilled. */
  readonly feed?: (stdin: Writable) => Promise<void>;
  /** A descriptor that takes standard output instead of the result. */
  readonly stdoutTo?: number;
  /** Reads standard output instead of the result. When it rejects, the program is killed. */
  readonly consume?: (stdout: Readable) => Promise<void>;
  /** Descriptors that the program has as 5, 6, … */
  readonly passed?: readonly number[];
  /** Exit statuses besides 0 that are no error. @default [] */
  readonly okStatuses?: readonly number[];
  /**
   * Runs between the start of the process and the program itself: the process has written a byte on descriptor 4
   * and waits for one on descriptor 3. Used by {@link ./id-map.js} to write the id maps.
   */
  readonly onWaiting?: (pid: number) => Promise<void>;
  /** Called with the process id when the program has started. */
  readonly onStarted?: (pid: number) => void;
  /** Kills the program; the promise is rejected with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Whether text on standard error of a successful command is left alone. @default false: it is an error */
  readonly allowStderr?: boolean;
}

export interface ExecResult {
  readonly status: number;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/** The environment in which every system program runs. */
export const clearedEnvironment = (extra: Readonly<Record<string, string>> = {}): Record<string, string> => ({
  PATH: SYSTEM_PATH,
  LC_ALL: 'C',
  TZ: 'UTC',
  ...extra,
});

/** How a command that ended is told to a person: `exit status 2`, `killed by SIGKILL`. */
export const describeEnd = (status: number | null, signal: NodeJS.Signals | null): string =>
  signal === null ? `exit status ${status}` : `killed by ${signal}`;

/**
 * Runs one program with an argv array and a cleared environment, and waits for its end.
 * @throws RbmResumeError `COMMAND_NOT_FOUND`, or `COMMAND_FAILED` for a status that is not accepted, a signal, or
 *   text on standard error where silence is normal
 */
export function exec(argv: readonly [string, ...string[]], options: ExecOptions = {}): Promise<ExecResult> {
  const [program, ...args] = argv;
  const hasInput = options.input !== undefined || options.feed !== undefined;
  const passed = options.passed ?? [];
  const waiting = options.onWaiting ? ('pipe' as const) : ('ignore' as const);
  const stdio: StdioOptions = [
    options.stdinFrom ?? (hasInput ? 'pipe' : 'ignore'),
    options.stdoutTo ?? 'pipe',
    'pipe',
    ...(options.onWaiting || passed.length > 0 ? [waiting, waiting] : []),
    ...passed,
  ];
  const spawnOptions: SpawnOptions = { stdio, env: clearedEnvironment(options.env) };
  if (options.cwd !== undefined) spawnOptions.cwd = options.cwd;
  trace('%o', argv);
  return new Promise((resolve, reject) => {
    options.signal?.throwIfAborted();
    const child = spawn(program, args, spawnOptions);
    if (child.pid !== undefined) options.onStarted?.(child.pid);
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    const work: Promise<void>[] = [];
    const stopOn = (error: unknown) => {
      child.kill('SIGKILL');
      reject(error instanceof Error ? error : new Error(String(error)));
    };
    const abort = () => stopOn(options.signal?.reason);
    options.signal?.addEventListener('abort', abort, { once: true });
    if (options.consume && child.stdout) work.push(options.consume(child.stdout));
    else child.stdout?.on('data', (chunk: Buffer) => stdout.push(chunk));
    child.stderr?.on('data', (chunk: Buffer) => stderr.push(chunk));
    child.on('error', (cause) => reject(notStarted(argv, cause)));
    if (options.onWaiting) letGoWhenReady(child, options.onWaiting).catch(reject);
    child.on('close', (status, signal) => {
      options.signal?.removeEventListener('abort', abort);
      const result = {
        status: status ?? -1,
        stdout: Buffer.concat(stdout),
        stderr: Buffer.concat(stderr).toString(),
      };
      const isOk = signal === null && (status === 0 || (options.okStatuses ?? []).includes(result.status));
      if (!isOk || (options.allowStderr !== true && result.stderr !== '')) {
        reject(commandFailed(argv, { end: describeEnd(status, signal), stderr: result.stderr }));
      } else {
        Promise.all(work).then(() => resolve(result), reject);
      }
    });
    if (child.stdin) {
      const { stdin } = child;
      // A program that ends before it has read everything says so by its exit status.
      stdin.on('error', () => {});
      if (options.feed) work.push(options.feed(stdin).then(() => endOf(stdin)));
      else stdin.end(options.input);
    }
    for (const one of work) one.catch(stopOn);
  });
}

function endOf(stdin: Writable): void {
  stdin.end();
}

async function letGoWhenReady(child: ChildProcess, onWaiting: (pid: number) => Promise<void>): Promise<void> {
  // Where there are no descriptors left for pipes the child has none, and says so by its error.
  const [go, ready] = [child.stdio?.[3] as Writable | null, child.stdio?.[4] as Readable | null];
  if (!go || !ready) return;
  go.on('error', () => {});
  const isReady = await new Promise<boolean>((resolve) => {
    ready.once('data', () => resolve(true));
    ready.once('end', () => resolve(false));
  });
  if (!isReady || child.pid === undefined) return;
  try {
    await onWaiting(child.pid);
    go.end('go\n');
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  }
}

function notStarted(argv: readonly [string, ...string[]], cause: Error): RbmResumeError {
  if (systemErrorCode(cause) === 'ENOENT') {
    return new RbmResumeError('COMMAND_NOT_FOUND', `the program ${argv[0]} was not found`, {
      hint: 'Install the package that brings it; `rbm-resume doctor` names it.',
      cause,
      fields: { program: argv[0] },
    });
  }
  return new RbmResumeError('COMMAND_FAILED', `could not start ${argv[0]}: ${cause.message}`, { cause });
}

function commandFailed(
  argv: readonly string[],
  outcome: { readonly end: string; readonly stderr: string },
): RbmResumeError {
  const said = outcome.stderr.trim().split('\n').slice(-5).join('\n');
  const command = argv.map(abbreviate).join(' ');
  return new RbmResumeError('COMMAND_FAILED', `${command}: ${outcome.end}${said === '' ? '' : `\n${said}`}`, {
    fields: { command, end: outcome.end },
  });
}

/** A whole script is no help in a message. */
const abbreviate = (argument: string): string =>
  argument.includes('\n') ? `${argument.trim().split('\n')[0]} …` : argument;

/** This process' own environment, for programs that read what the user has set: rbm, skopeo. */
export const ownEnvironment = (): Record<string, string> =>
  Object.fromEntries(
    Object.entries(process.env).filter((pair): pair is [string, string] => pair[1] !== undefined),
  );
