import type { OpenFile } from './open-files.js';
import type { OrderedProcess } from './pipe-order.js';
import { isSameProcess, isStopped, type ContainerProcess } from './process-status.js';
import { isShell } from './shells.js';

/** A process of the script, from when it was first seen to after its death. */
export interface Member {
  /** As last listed. */
  process: ContainerProcess;
  /** The processes of the script above it when it was first seen, parent first. */
  readonly ancestors: readonly Member[];
  /** Whether the runner started it: the script itself. */
  readonly isTop: boolean;
  /** Whether it was stopped already when it was first seen. */
  readonly wasStopped: boolean;
  /** What it had open when it was first frozen. */
  files: readonly OpenFile[];
  isLiving: boolean;
  /** Whether it was let run again: it is then no longer frozen, unless it has become a shell. */
  isReleased: boolean;
  /** What it was sent. */
  readonly signals: Set<NodeJS.Signals>;
}

/** Remembers the processes of a script: who stood above whom is lost when the one between dies. */
export class ScriptMembers {
  readonly #runnerPid: number;
  readonly #members = new Map<string, Member>();

  constructor(runnerPid: number) {
    this.#runnerPid = runnerPid;
  }

  /** Every one that was ever seen. */
  get all(): Member[] {
    return [...this.#members.values()];
  }

  get living(): Member[] {
    return this.all.filter(({ isLiving }) => isLiving);
  }

  has(process: ContainerProcess): boolean {
    return this.#members.has(keyOf(process));
  }

  /** Takes in a new listing of all living processes of the script. @returns those never seen before */
  update(listed: readonly ContainerProcess[]): Member[] {
    const byPid = new Map(listed.map((process) => [process.pid, process]));
    for (const member of this.#members.values()) {
      const process = byPid.get(member.process.pid);
      member.isLiving = process !== undefined && isSameProcess(process, member.process);
      if (process && member.isLiving) member.process = process;
    }
    const fresh: Member[] = [];
    const take = (process: ContainerProcess): Member => {
      const known = this.#members.get(keyOf(process));
      if (known) return known;
      const parentProcess = byPid.get(process.parentPid);
      const parent = parentProcess && take(parentProcess);
      const member: Member = {
        process,
        ancestors: parent ? [parent, ...parent.ancestors] : [],
        isTop: process.parentPid === this.#runnerPid,
        wasStopped: isStopped(process),
        files: [],
        isLiving: true,
        isReleased: false,
        signals: new Set(),
      };
      this.#members.set(keyOf(process), member);
      fresh.push(member);
      return member;
    };
    for (const process of listed) take(process);
    return fresh;
  }

  /**
   * The living ones as {@link ./pipe-order.js} wants them. The script itself counts as an ancestor of orphans too: when
   * it ends, the container does, and the kernel kills what is left.
   */
  ordered(): OrderedProcess[] {
    const tops = this.living.filter(({ isTop }) => isTop);
    const tracers = new Set(this.living.map(({ process }) => process.tracerPid));
    return this.living.map(({ process, ancestors, files, isTop }) => ({
      pid: process.pid,
      ancestors: [...new Set([...ancestors, ...(isTop ? [] : tops)])]
        .filter(({ isLiving }) => isLiving)
        .map((above) => above.process.pid),
      isShell: isShell(process),
      isTracer: tracers.has(process.pid),
      ends: files
        .filter(({ kind }) => kind === 'pipe')
        .map(({ id, fd, canRead, canWrite }) => ({ pipe: id, fd, canRead, canWrite })),
    }));
  }
}

const keyOf = ({ pid, startTicks }: ContainerProcess): string => `${pid} ${startTicks}`;
