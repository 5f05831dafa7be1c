import { realpathSync } from 'node:fs';
import { RbmResumeError } from '../../errors.js';
import { traceTo } from '../../trace.js';
import { letConfiguresEnd } from './configures.js';
import { findRunner } from './processes.js';
import { isShell } from './shells.js';
import { ScriptStop, type KilledProcess } from './script-stop.js';
import { ScriptTree, SYSTEM_CLOCK, type Clock, type SendSignal } from './script-tree.js';
import type { Stage } from './stopping-signal.js';
import type { TimeLimit } from './time-limit.js';

export type { KilledProcess } from './script-stop.js';

const trace = traceTo('interrupt');

export interface StopOptions {
  /** The container's directory. */
  readonly rootDir: string;
  /** The pid of the process that waits for the script and records its end, as it sees it itself. */
  readonly runnerNsPid: number;
  /**
   * How long the script's processes may take, in milliseconds. SIGTERM follows after three fifths of it, SIGKILL at
   * its end; those that had to wait for a killed one get up to a second more.
   */
  readonly graceMs: number;
  /** Once it is aborted, no more than `CANCEL_GRACE_MS` of that are left. */
  readonly hurry?: AbortSignal | undefined;
  /** How long a `configure` below make may go on to its end. @default not at all */
  readonly configures?: TimeLimit;
  /** Called once when all of the script stands still, before anything of it is ended. If it fails, the script runs on. */
  readonly onFrozen?: (script: FrozenScript) => Promise<void>;
  /** @default the system's */
  readonly clock?: Clock;
  /** @default `process.kill` */
  readonly sendSignal?: SendSignal;
}

export interface FrozenScript {
  /** Whether anything but shells is alive in it that stands below the script itself. */
  readonly hasPrograms: boolean;
  /** What a `configure` below make has said by its exit status; `null` when none has failed meanwhile. */
  readonly failure: string | null;
}

export interface StopReport {
  /** Whether any process of the script lived. If not, nothing was stopped, and the script ended by itself. */
  readonly wasRunning: boolean;
  /** How many processes of the script there were. */
  readonly processes: number;
  /** How far the clock drove it. SIGTERM for an ignored SIGINT, and SIGKILL for stopped shells, do not count. */
  readonly escalation: Stage;
  /** Those that had to be killed: not the script's shells, which are always killed where they stand. */
  readonly killed: readonly KilledProcess[];
  /** Half-written files that were removed, as paths inside the container, sorted. */
  readonly removedFiles: readonly string[];
  /** The command lines of each `configure` below make that was cut off. */
  readonly unfinished: readonly string[];
  readonly durationMs: number;
}

/**
 * Ends the script that is running in a container, so that what it leaves behind can be built on: no line of a shell
 * script runs any more, programs end from the leaves of the tree up and by SIGINT where they can, readers of a pipe
 * outlive its writers, and files that a killed program was writing are removed. When it returns, no process of the
 * script is alive; what is above the script was never signalled.
 *
 * Everything is frozen (SIGSTOP) first, then each `configure` that make has begun may end. The script itself dies last,
 * when the files are gone already that have to go: always if it is a shell. A script in another language, or one that has
 * replaced itself by a program, ends by SIGINT in its turn, and goes before what it feeds through a pipe, and before what
 * has not ended after three fifths of the grace.
 * SIGKILL sent to this process on the way leaves the script frozen; any error makes sure that it does not.
 *
 * Not seen: what a program wrote through a shared mapping after it closed the file, and order between programs that talk
 * through sockets or terminals.
 * @throws RbmResumeError `NO_SUCH_CONTAINER`; `STILL_ALIVE` when a process outlives SIGKILL, all others being dead;
 *   `COMMAND_NOT_FOUND` and `COMMAND_FAILED` when descriptors cannot be read (the script then runs on, if nothing of it
 *   was signalled yet) or a file not removed (the script is dead then)
 */
export async function stopScript(options: StopOptions): Promise<StopReport> {
  const clock = options.clock ?? SYSTEM_CLOCK;
  const start = clock.now();
  const runner = findRunner(options.rootDir, options.runnerNsPid);
  if (runner === null) return nothingRan(0);
  const rootDir = realpathSync(options.rootDir);
  const sendSignal = options.sendSignal ?? ((pid, signal) => process.kill(pid, signal));
  const tree = new ScriptTree({ rootDir, runner, clock, sendSignal });
  let unfinished: readonly string[] = [];
  try {
    await tree.freeze();
    const configures = await letConfiguresEnd(tree, { clock, limit: options.configures ?? null });
    unfinished = configures.unfinished;
    const { living } = tree.members;
    if (living.length > 0) {
      // What has outlived the shell that began it, such as a cache server of compilers, is none of a statement's.
      const hasPrograms = living.some(
        ({ process, isTop, ancestors }) =>
          !isShell(process) && (isTop || ancestors.some(({ isTop }) => isTop)),
      );
      await options.onFrozen?.({ hasPrograms, failure: configures.failure });
    }
  } catch (error) {
    tree.thaw();
    throw error;
  }
  if (tree.members.living.length === 0) return nothingRan(clock.now() - start);
  trace('%s: %d processes are frozen', rootDir, tree.members.living.length);
  const { graceMs, hurry } = options;
  const stop = new ScriptStop({ tree, clock, rootDir, runnerPid: runner.pid, graceMs, hurry });
  const { alive, ...outcome } = await stop.run();
  const report = {
    wasRunning: true,
    processes: tree.members.all.length,
    ...outcome,
    unfinished,
    durationMs: clock.now() - start,
  };
  trace('%s: %o', rootDir, report);
  if (alive.length === 0) return report;
  throw new RbmResumeError('STILL_ALIVE', `not even SIGKILL ended ${describe(alive)}`, {
    hint: 'A process that sleeps in the kernel dies when its disk or network answers; try again then.',
    fields: { pids: alive.map(({ pid }) => pid).join(' '), dir: rootDir },
  });
}

const nothingRan = (durationMs: number): StopReport => ({
  wasRunning: false,
  processes: 0,
  escalation: 'SIGINT',
  killed: [],
  removedFiles: [],
  unfinished: [],
  durationMs,
});

const describe = (alive: readonly KilledProcess[]): string =>
  alive.map(({ pid, command }) => `${pid} (${command})`).join(', ');
