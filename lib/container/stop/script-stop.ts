import { Grace } from './grace.js';
import { Leftovers } from './leftover-files.js';
import type { OpenFile } from './open-files.js';
import { PipeDrain } from './pipe-drain.js';
import { orderProcesses } from './pipe-order.js';
import { commandLineOf, isStopped } from './process-status.js';
import type { Member } from './script-members.js';
import type { Clock, ScriptTree } from './script-tree.js';
import { isShell } from './shells.js';
import { stoppingSignal, type Stage } from './stopping-signal.js';

export interface ScriptStopOptions {
  /** Frozen. */
  readonly tree: ScriptTree;
  readonly clock: Clock;
  /** The container's directory, resolved. */
  readonly rootDir: string;
  readonly runnerPid: number;
  readonly graceMs: number;
  readonly hurry?: AbortSignal | undefined;
}

export interface KilledProcess {
  readonly pid: number;
  readonly command: string;
}

export interface StopOutcome {
  readonly escalation: Stage;
  readonly killed: readonly KilledProcess[];
  readonly removedFiles: readonly string[];
  /** What outlived SIGKILL. */
  readonly alive: readonly KilledProcess[];
}

const POLL_MS = 20;
/** What a reader gets to see the end of its pipe, and what a process gets whose turn comes when the grace is over. */
const MOMENT_MS = 250;
/** After how long in its turn a process is taken for blocked by a full pipe. */
const SLOW_MS = 500;
/** How long it may take to stop what has newly come up. */
const FREEZE_MS = 200;
/** How long the kernel may take over a SIGKILL: the memory of a large process goes page by page. */
const DEATH_MS = 10_000;

/** The way of one script from frozen to dead. */
export class ScriptStop {
  readonly #options: ScriptStopOptions;
  readonly #grace: Grace;
  readonly #leftovers: Leftovers;
  readonly #drain: PipeDrain;
  /** Since when it is a process's turn to end. */
  readonly #turnSince = new Map<Member, number>();
  readonly #killedAt = new Map<Member, number>();
  /** Those that were let run in order to read. */
  readonly #readers = new Set<Member>();
  readonly #killed: KilledProcess[] = [];
  #escalation: Stage = 'SIGINT';

  constructor(options: ScriptStopOptions) {
    this.#options = options;
    this.#grace = new Grace(options);
    this.#leftovers = new Leftovers(options.rootDir);
    this.#drain = new PipeDrain(options.runnerPid);
  }

  /**
   * Ends every process. After an error nothing of the script goes on either: what is left is killed.
   * @throws RbmResumeError when descriptors cannot be read or a file not removed
   */
  async run(): Promise<StopOutcome> {
    const { members } = this.#options.tree;
    try {
      while (members.living.some((member) => !this.#isStuck(member))) {
        await this.#step();
        await this.#options.clock.sleep(POLL_MS);
        await this.#options.tree.freeze(FREEZE_MS);
      }
      await this.#leftovers.remove();
    } catch (error) {
      await this.#killAll();
      throw error;
    } finally {
      this.#drain.close();
    }
    return {
      escalation: this.#escalation,
      killed: this.#killed,
      removedFiles: this.#leftovers.removed,
      alive: members.living.map(describeMember),
    };
  }

  async #killAll(): Promise<void> {
    const { tree, clock } = this.#options;
    const start = clock.now();
    for (tree.refresh(); tree.members.living.length > 0; tree.refresh()) {
      for (const member of tree.members.living) tree.send(member, 'SIGKILL');
      if (clock.now() - start >= DEATH_MS) return;
      await clock.sleep(POLL_MS);
    }
  }

  async #step(): Promise<void> {
    const { members } = this.#options.tree;
    const { stage } = this.#grace;
    const { turns, unread } = orderProcesses(members.ordered(), {
      areParentsHeld: stage !== 'SIGTERM',
      slow: this.#slow(),
    });
    this.#drain.open(unread);
    const isTopLast = members.living.every((member) => member.isTop || this.#isStuck(member));
    if (isTopLast) await this.#tidyBeforeTop();
    const [shells, programs]: [Member[], Member[]] = [[], []];
    for (const member of members.living.filter((each) => !this.#killedAt.has(each))) {
      const turn = turns.get(member.process.pid) ?? 'frozen';
      const turnSince = this.#since(member, turn === 'now');
      const mayDie = isTopLast || !member.isTop;
      if (isShell(member.process)) {
        if (mayDie && (turn === 'now' || this.#grace.isOverdue)) shells.push(member);
      } else if (mayDie && stage === 'SIGKILL' && this.#isDue(member, turnSince)) {
        programs.push(member);
      } else if (turn === 'now') {
        this.#askToEnd(member, { stage, turnSince });
      } else if (turn === 'running') {
        this.#readers.add(member);
        this.#letRun(member);
      }
    }
    await this.#killShells(shells);
    await this.#killPrograms(programs);
  }

  #askToEnd(member: Member, options: { readonly stage: Stage; readonly turnSince: number }): void {
    const isStillReading =
      this.#readers.has(member) && this.#options.clock.now() - options.turnSince < MOMENT_MS;
    const signal = isStillReading ? null : stoppingSignal(member.process, options.stage);
    if (signal !== null && !member.signals.has(signal)) {
      this.#options.tree.send(member, signal);
      if (options.stage !== 'SIGINT' && this.#escalation === 'SIGINT') this.#escalation = 'SIGTERM';
    }
    this.#letRun(member);
  }

  /** Again if need be: programs that run another one stop themselves when they see it stopped, as `su` does. */
  #letRun(member: Member): void {
    member.isReleased = true;
    if (isStopped(member.process)) this.#options.tree.send(member, 'SIGCONT');
  }

  /** Shells that were never let run have open what they had when they were frozen. */
  async #killShells(shells: readonly Member[]): Promise<void> {
    const open = await this.#options.tree.openFilesOf(shells.filter(({ isReleased }) => isReleased));
    for (const shell of shells) {
      const files = open.get(shell.process.pid) ?? shell.files;
      this.#leftovers.add(files.filter((file) => !isInherited(file, shell)));
    }
    await this.#kill(shells);
  }

  async #killPrograms(programs: readonly Member[]): Promise<void> {
    if (programs.length === 0) return;
    const { tree } = this.#options;
    for (const member of programs) member.isReleased = false;
    await tree.freeze(FREEZE_MS);
    const living = programs.filter(({ isLiving }) => isLiving);
    const open = await tree.openFilesOf(living);
    for (const member of living) {
      this.#leftovers.add(open.get(member.process.pid) ?? []);
      // make that is killed has not deleted what its dead children were writing.
      const below = tree.members.all.filter(({ ancestors }) => ancestors.includes(member));
      this.#leftovers.add(below.flatMap(({ files }) => files));
      this.#killed.push(describeMember(member));
    }
    if (living.length > 0) this.#escalation = 'SIGKILL';
    await this.#kill(living);
  }

  /** The script itself comes alone and last: what has to go must be gone when its end is recorded. */
  async #kill(members: readonly Member[]): Promise<void> {
    if (members.some(({ isTop }) => isTop)) await this.#leftovers.remove();
    for (const member of members) {
      this.#killedAt.set(member, this.#options.clock.now());
      this.#options.tree.send(member, 'SIGKILL');
    }
  }

  /** Nothing may run while files are removed, so a script that is no shell is stopped for as long. */
  async #tidyBeforeTop(): Promise<void> {
    if (this.#leftovers.isEmpty) return;
    for (const member of this.#options.tree.members.living) member.isReleased = false;
    await this.#options.tree.freeze(FREEZE_MS);
    await this.#leftovers.remove();
  }

  /** Those that have not ended in their turn: if a full pipe holds them, it is because its reader sleeps. */
  #slow(): Set<number> {
    const isSlow = (since: number): boolean => this.#options.clock.now() - since >= SLOW_MS;
    return new Set(
      [...this.#turnSince].filter(([, since]) => isSlow(since)).map(([{ process }]) => process.pid),
    );
  }

  #since(member: Member, isTurn: boolean): number {
    const now = this.#options.clock.now();
    const since = isTurn ? (this.#turnSince.get(member) ?? now) : now;
    if (isTurn) this.#turnSince.set(member, since);
    else this.#turnSince.delete(member);
    return since;
  }

  /** Whether a process has had its turn for long enough, or there is no time left to wait for turns. */
  #isDue(member: Member, turnSince: number): boolean {
    const turnMs = this.#readers.has(member) ? 2 * MOMENT_MS : MOMENT_MS;
    return this.#grace.isOverdue || this.#options.clock.now() - turnSince >= turnMs;
  }

  #isStuck(member: Member): boolean {
    const killedAt = this.#killedAt.get(member);
    return killedAt !== undefined && this.#options.clock.now() - killedAt >= DEATH_MS;
  }
}

/** Whether a program above a shell has opened the file for it, a log for instance: the program itself ends properly. */
const isInherited = (file: OpenFile, shell: Member): boolean =>
  shell.ancestors.some(
    ({ process, files }) => !isShell(process) && files.some(({ id, canWrite }) => id === file.id && canWrite),
  );

const describeMember = ({ process }: Member): KilledProcess => ({
  pid: process.pid,
  command: commandLineOf(process),
});
