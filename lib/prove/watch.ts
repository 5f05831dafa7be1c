import { readFile, stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { listLive, readRunning, type LiveEntry } from '../store/live.js';
import { storePaths } from '../store/paths.js';
import { readCpuSeconds } from '../cpu-time.js';

/** Which statement of its script a build is at, and how many there are. */
export interface StatementPosition {
  /** From 1 on. */
  readonly index: number;
  readonly of: number;
}

/** Asks a store which statement is being run in it; `null` when nobody knows. */
export type CurrentStatement = (store: string) => Promise<StatementPosition | null>;

/** What was seen of a build's script. Times are milliseconds of the epoch. */
export interface Sighting {
  readonly container: string;
  /** The seconds of processor time that rbm had used when it began with the container: for its dependencies, say. */
  readonly cpuSecondsBefore: number | null;
  beganAt: number | null;
  endedAt: number | null;
  /** What the script prints, and where that begins. */
  log: { readonly path: string; readonly offset: number } | null;
  statement: StatementPosition | null;
  /** What the shim had to say when the container was made, such as why it started clean. */
  notice: string;
}

const SHORTEST_WAIT_MS = 20;
const LONGEST_WAIT_MS = 250;

/** Watches the store of a run for the script of one project; a dependency of the same name comes before it. */
export class ScriptWatch {
  readonly #of: {
    readonly store: string;
    readonly project: string;
    readonly step: string;
    readonly currentStatement: CurrentStatement;
  };
  #sighting: Sighting | null = null;
  #isOver = false;
  readonly #watching: Promise<void>;

  constructor(of: {
    readonly store: string;
    readonly project: string;
    readonly step: string;
    readonly currentStatement: CurrentStatement;
  }) {
    this.#of = of;
    this.#watching = this.#watch();
  }

  get sighting(): Sighting | null {
    return this.#sighting;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** To be called when rbm has ended. */
  async stop(): Promise<Sighting | null> {
    this.#isOver = true;
    await this.#watching;
    const seen = this.#sighting;
    if (seen !== null && seen.beganAt !== null) seen.endedAt ??= Date.now();
    return seen;
  }

  async #watch(): Promise<void> {
    const since = Date.now();
    while (!this.#isOver) {
      for (const entry of await listLive(storePaths(this.#of.store))) await this.#look(entry);
      // Two hours need no look every hundredth of a second.
      const wait = (Date.now() - (this.#sighting?.beganAt ?? since)) / 100;
      await sleep(Math.min(Math.max(wait, SHORTEST_WAIT_MS), LONGEST_WAIT_MS));
    }
  }

  async #look({ id, record, paths }: LiveEntry): Promise<void> {
    const { store, project, step, currentStatement } = this.#of;
    if (record?.project !== project || (record.step !== null && record.step !== step)) return;
    if (this.#sighting?.container !== id) {
      this.#sighting = {
        container: id,
        cpuSecondsBefore: await readCpuSeconds(record.owner.pid),
        beganAt: null,
        endedAt: null,
        log: null,
        statement: null,
        notice: '',
      };
    }
    const seen = this.#sighting;
    if (seen.notice === '') seen.notice = await readFile(paths.notice, 'utf8').catch(() => '');
    const running = await readRunning(paths);
    if (running?.name !== step) {
      if (seen.beganAt !== null) seen.endedAt ??= Date.now();
      return;
    }
    if (seen.beganAt === null) {
      // It may be over by now.
      const file = await stat(paths.running).catch(() => null);
      seen.beganAt = file?.mtimeMs ?? Date.now();
      if (running.log !== null) seen.log = { path: running.log, offset: running.logOffset };
    }
    seen.statement = (await currentStatement(store)) ?? seen.statement;
  }
}
