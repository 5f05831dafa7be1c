import type { Clock } from './script-tree.js';
import type { Stage } from './stopping-signal.js';

/** The part of the grace after which SIGINT was not enough. */
const SIGTERM_AT = 0.6;
/** How long after the grace those may still take that had to wait for the ones killed at its end. */
const AFTER_GRACE_MS = 1_000;

/** The time that the stopping of a script may take, from the moment that this is made. */
export class Grace {
  readonly #clock: Clock;
  readonly #start: number;
  readonly #graceMs: number;

  constructor(options: { readonly clock: Clock; readonly graceMs: number }) {
    this.#clock = options.clock;
    this.#start = options.clock.now();
    this.#graceMs = options.graceMs;
  }

  /** How far the clock has driven it. */
  get stage(): Stage {
    if (this.#elapsed >= this.#graceMs) return 'SIGKILL';
    return this.#elapsed >= this.#graceMs * SIGTERM_AT ? 'SIGTERM' : 'SIGINT';
  }

  /** Whether nobody may wait for anybody any more. */
  get isOverdue(): boolean {
    return this.#elapsed >= this.#graceMs + AFTER_GRACE_MS;
  }

  get #elapsed(): number {
    return this.#clock.now() - this.#start;
  }
}
