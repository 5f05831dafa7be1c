import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Outline } from '../script/outline.js';
import { isRestartable } from '../script/restartable.js';
import type { LivePaths } from '../store/paths.js';
import {
  askToRest,
  describePosition,
  isAtBoundary,
  readOutline,
  readPosition,
  readUnsupported,
  resumeDir,
} from './script-units.js';
import type { TimeLimit } from './stop/time-limit.js';

/** How long a statement that an interrupt finds running may take to end by itself, in milliseconds. */
export const DEFAULT_FINISH_STATEMENT_MS = 20_000;

const POLL_MS = 20;

/** Thrown while a script is frozen where it must not be stopped: it has to go on a little. */
export class NotYet extends Error {}

/** A script that is to be stopped so that it goes on at a statement. */
export class RestingScript {
  readonly #container: string;
  readonly #outline: Outline;
  #patience: number;

  private constructor(container: string, outline: Outline, patience: number) {
    this.#container = container;
    this.#outline = outline;
    this.#patience = patience;
  }

  /** `null` for a script that runs as it is. */
  static async of(container: string, live: LivePaths): Promise<RestingScript | null> {
    const outline = await readOutline(live);
    // What is found frozen between two statements is let go on that often: it comes to rest at once, if it ever does.
    return outline === null ? null : new RestingScript(container, outline, 100);
  }

  /**
   * Asks the script to come to rest before its next unit, and gives the statement that it is in time to end: not one
   * that bears an interrupt well, such as make.
   */
  async comeToRest(limit: TimeLimit): Promise<void> {
    if ((await this.unsupported()) !== null) return;
    await askToRest(this.#container);
    for (; !limit.isOver; await sleep(POLL_MS)) {
      if ((await isAtBoundary(this.#container)) || this.#hasEnded()) return;
      const position = await readPosition(this.#container);
      const text = this.#outline.units[position?.unit.split('>').at(-1) ?? '']?.text;
      if (text !== undefined && isRestartable(text)) return;
    }
  }

  /**
   * To be asked while all of the script is frozen. A shell without a program is between two commands: one of them has
   * ended and the state before the next is not written yet, so the one would be run twice.
   * @throws NotYet
   */
  async assertStoppable(hasPrograms: boolean): Promise<void> {
    if (this.#patience <= 0 || (await this.unsupported()) !== null || (await isAtBoundary(this.#container)))
      return;
    const position = await readPosition(this.#container);
    if (hasPrograms && position?.isWhole !== false) return;
    this.#patience -= 1;
    throw new NotYet();
  }

  /** The version of a bash that is too old, `null` for others. */
  unsupported(): Promise<string | null> {
    return readUnsupported(this.#container);
  }

  /** Where the script stood, for a person. */
  async describe(): Promise<string | null> {
    const position = await readPosition(this.#container);
    if (position === null) return null;
    const place = describePosition(this.#outline, position.unit);
    return (await isAtBoundary(this.#container)) ? `before ${place}` : `in ${place}`;
  }

  #hasEnded(): boolean {
    return existsSync(join(resumeDir(this.#container), 'state', 'status'));
  }
}
