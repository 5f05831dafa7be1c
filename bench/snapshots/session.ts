import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, mkdtempSync, openSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { clearedEnvironment, describeEnd } from '../../lib/exec.js';
import { messageOf, systemErrorCode } from '../../lib/errors.js';
import type { Measured } from './contestant.js';

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** A file that standard output is written to instead of the result. */
  readonly stdoutTo?: string;
  /** Exit statuses besides 0 that are no error. @default [] */
  readonly okStatuses?: readonly number[];
}

export interface RunResult {
  /** From before the start of the process until it has ended and its output is closed. */
  readonly seconds: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** One run of the benchmark: the programs that it has started, and what is to be undone at its end, however it ends. */
export class Session {
  readonly #children = new Set<ChildProcess>();
  readonly #undoes: (() => Promise<void>)[] = [];
  /** Where time(1) writes what the last program has used. */
  readonly #usage: string;

  constructor() {
    const dir = mkdtempSync(join(tmpdir(), 'rbm-resume-bench-'));
    this.#usage = join(dir, 'usage');
    this.defer(() => rm(dir, { recursive: true }));
  }

  /** Runs a program and measures it. Nothing of the caller's environment gets through. */
  run(argv: readonly [string, ...string[]], options: RunOptions = {}): Promise<RunResult> {
    const [program, ...args] = argv;
    const descriptor = options.stdoutTo === undefined ? null : openSync(options.stdoutTo, 'w');
    const start = process.hrtime.bigint();
    const child = spawn(program, args, {
      stdio: ['ignore', descriptor ?? 'pipe', 'pipe'],
      // A process group of its own, so that all that a script has started can be ended.
      detached: true,
      env: clearedEnvironment(options.env),
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    });
    this.#children.add(child);
    const [stdout, stderr]: [Buffer[], Buffer[]] = [[], []];
    child.stdout?.on('data', (chunk: Buffer) => stdout.push(chunk));
    child.stderr?.on('data', (chunk: Buffer) => stderr.push(chunk));
    return new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (status, signal) => {
        const seconds = Number(process.hrtime.bigint() - start) / 1e9;
        this.#children.delete(child);
        if (descriptor !== null) closeSync(descriptor);
        const said = Buffer.concat(stderr).toString();
        if (status !== 0 && !(options.okStatuses ?? []).includes(status ?? -1)) {
          reject(new Error(`${argv.join(' ')}: ${describeEnd(status, signal)}\n${said.slice(-2000)}`));
        } else {
          resolve({ seconds, stdout: Buffer.concat(stdout).toString(), stderr: said });
        }
      });
    });
  }

  /** Runs a bash script with arguments; a failure anywhere in a pipe is one of the script. */
  script(text: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
    return this.run(['bash', '-c', `set -euo pipefail; ${text}`, 'bash', ...args], options);
  }

  /**
   * Runs a program that is measured: first everything that was written before goes to the disk, so that nobody pays for
   * another's work.
   */
  async timed(argv: readonly [string, ...string[]], options: RunOptions = {}): Promise<Measured> {
    await this.run(['sync']);
    const { seconds } = await this.run(['/usr/bin/time', '-f', '%M', '-o', this.#usage, ...argv], options);
    const kibibytes = (await readFile(this.#usage, 'utf8')).trim().split('\n').at(-1);
    return { seconds, peakMemory: Number(kibibytes) * 1024 };
  }

  /** {@link timed} of a bash script. */
  timedScript(text: string, args: readonly string[]): Promise<Measured> {
    return this.timed(['bash', '-c', `set -euo pipefail; ${text}`, 'bash', ...args]);
  }

  /** Says what is to be done at the end; the returned function does it earlier, once. */
  defer(undo: () => Promise<void>): () => Promise<void> {
    this.#undoes.push(undo);
    return async () => {
      const at = this.#undoes.indexOf(undo);
      if (at === -1) return;
      this.#undoes.splice(at, 1);
      await undo();
    };
  }

  /** Ends the programs that still run and undoes the rest, the last thing first. Failures are told, not thrown. */
  async end(): Promise<void> {
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      for (const child of this.#children) endGroup(child, signal);
      for (let waited = 0; this.#children.size > 0 && waited < 30; waited += 1) await setTimeout(100);
    }
    for (let undo = this.#undoes.pop(); undo !== undefined; undo = this.#undoes.pop()) {
      await undo().catch((error: unknown) => process.stderr.write(`clean-up: ${messageOf(error)}\n`));
    }
  }
}

function endGroup({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  try {
    if (pid !== undefined) process.kill(-pid, signal);
  } catch (error) {
    // It has ended in the meantime.
    if (systemErrorCode(error) !== 'ESRCH') throw error;
  }
}

/** Runs the work of a program; its session is ended after it, after an error, and when a signal ends the program. */
export async function withSession(work: (session: Session) => Promise<void>): Promise<void> {
  const session = new Session();
  const stopped = new Promise<number>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
      process.once(signal, () => resolve(128 + constants.signals[signal]));
  });
  const worked = work(session);
  // After a signal it fails with the program that was ended.
  worked.catch(() => {});
  try {
    const status = await Promise.race([worked, stopped]);
    if (status !== undefined) process.exitCode = status;
  } finally {
    await session.end();
  }
  if (process.exitCode !== undefined) process.exit();
}
