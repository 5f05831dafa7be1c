import { setTimeout as delay } from 'node:timers/promises';
import { systemErrorCode } from '../../errors.js';
import { readOpenFiles, type OpenFile } from './open-files.js';
import { enclosureOf, listProcesses, type Enclosure } from './processes.js';
import { ancestorsOf, isAlive, isStopped, type ContainerProcess } from './process-status.js';
import { ScriptMembers, type Member } from './script-members.js';
import { isShell } from './shells.js';

/** The time as the stopping of a script sees it. */
export interface Clock {
  /** Milliseconds from any fixed point; never goes back. */
  readonly now: () => number;
  readonly sleep: (ms: number) => Promise<unknown>;
}

export const SYSTEM_CLOCK: Clock = { now: () => performance.now(), sleep: (ms) => delay(ms) };

export type SendSignal = (pid: number, signal: NodeJS.Signals) => void;

export interface ScriptTreeOptions {
  /** The container's directory, resolved. */
  readonly rootDir: string;
  readonly runner: ContainerProcess;
  readonly clock: Clock;
  readonly sendSignal: SendSignal;
}

const POLL_MS = 2;
/** How long a freeze may take; a storm of forks ends sooner. */
const FREEZE_MS = 5_000;
/** How long a process that sleeps in the kernel is waited for: it stops when it comes out, and runs nothing before. */
const STUCK_MS = 50;

/**
 * The processes of a container's script: all of the container but the runner, what is above it, and what these start
 * when the script is over. Orphans, background jobs and nested pid namespaces count. The runner and its ancestors are
 * never signalled, nor the caller and its own.
 */
export class ScriptTree {
  readonly members: ScriptMembers;
  readonly #options: ScriptTreeOptions;
  readonly #spared: ReadonlySet<number>;
  readonly #enclosure: Enclosure | null;
  /** Between the runner and the first process of its pid namespace: the login, and what rbm wraps around it. */
  readonly #wrappers: ReadonlySet<number>;
  /** Whether the first freeze is over: what the runner then starts is no longer the script. */
  #isComplete = false;

  constructor(options: ScriptTreeOptions) {
    const { pid } = options.runner;
    const above = ancestorsOf(pid);
    this.#options = options;
    this.#spared = new Set([pid, ...above, process.pid, ...ancestorsOf(process.pid)]);
    this.#enclosure = enclosureOf(options.runner);
    const init = this.#enclosure === null ? -1 : above.indexOf(this.#enclosure.initPid);
    this.#wrappers = new Set(init === -1 ? above : above.slice(0, init));
    this.members = new ScriptMembers(pid);
  }

  /**
   * Stops every process of the script that was not let run, until a whole pass over `/proc` finds no new one and all
   * are stopped, but no longer than `limitMs`. Then reads what the new ones have open.
   *
   * A parent in `vfork` whose child was stopped before its exec sleeps in the kernel (`D`) and cannot stop; it counts
   * as stopped after a moment, since its signal waits at the way out.
   */
  async freeze(limitMs = FREEZE_MS): Promise<void> {
    const { clock } = this.#options;
    const start = clock.now();
    const found: Member[] = [];
    for (;;) {
      const fresh = this.refresh();
      found.push(...fresh);
      const loose = this.members.living.filter(isLoose);
      for (const member of loose) this.send(member, 'SIGSTOP');
      const elapsed = clock.now() - start;
      const isStuck = elapsed >= STUCK_MS && loose.every(({ process }) => process.state === 'D');
      if (elapsed >= limitMs || (fresh.length === 0 && (loose.length === 0 || isStuck))) break;
      await clock.sleep(POLL_MS);
    }
    this.#isComplete = true;
    await this.readFilesOf(found);
  }

  /** Reads anew what the living ones of some have open. */
  async readFilesOf(members: readonly Member[]): Promise<void> {
    const living = members.filter(({ isLiving }) => isLiving);
    const open = await this.openFilesOf(living);
    for (const member of living) member.files = open.get(member.process.pid) ?? [];
  }

  /** Looks who lives. @returns those never seen before */
  refresh(): Member[] {
    return this.members.update(this.#list());
  }

  /** Lets everything run again that {@link ScriptTree.freeze} stopped. */
  thaw(): void {
    for (const member of this.members.living) if (!member.wasStopped) this.send(member, 'SIGCONT');
  }

  /** Signals a process if it is still the one that was listed. */
  send(member: Member, signal: NodeJS.Signals): void {
    if (!isAlive(member.process)) return;
    member.signals.add(signal);
    try {
      this.#options.sendSignal(member.process.pid, signal);
    } catch (error) {
      if (systemErrorCode(error) !== 'ESRCH') throw error;
    }
  }

  /** What processes have open now, by pid: exact for those that are stopped. */
  async openFilesOf(members: readonly Member[]): Promise<ReadonlyMap<number, readonly OpenFile[]>> {
    const processes = members.map(({ process }) => process);
    try {
      return await readOpenFiles(processes, { namespaceOf: this.#options.runner.pid });
    } catch (error) {
      // The whole container may have died meanwhile, and its user namespace with it.
      if (processes.some(isAlive)) throw error;
      return new Map();
    }
  }

  #list(): ContainerProcess[] {
    const { rootDir, runner } = this.#options;
    const listed = listProcesses(rootDir, { enclosure: this.#enclosure }).filter(
      ({ pid }) => !this.#spared.has(pid),
    );
    const byPid = new Map(listed.map((process) => [process.pid, process]));
    return listed.filter((process) => {
      let top = process;
      for (let above = byPid.get(top.parentPid); above; above = byPid.get(top.parentPid)) top = above;
      // The runner and its wrappers go on once the script is dead, and may run programs of their own.
      if (this.#wrappers.has(top.parentPid)) return false;
      return top.parentPid !== runner.pid || !this.#isComplete || this.members.has(top);
    });
  }
}

/** Whether a process runs that must not. What is being killed does no harm and takes its time. */
function isLoose({ process, isReleased, signals }: Member): boolean {
  if (signals.has('SIGKILL') || (isReleased && !isShell(process))) return false;
  return !isStopped(process);
}
