import type { Clock } from './script-tree.js';
import type { Stage } from './stopping-signal.js';
import { TimeLimit } from './time-limit.js';

/** What is left of a grace, in milliseconds, when a CI job is cancelled: GitHub Actions kills it 7.5 s after its first signal. */
export const CANCEL_GRACE_MS = 4_000;

/** The part of the grace after which SIGINT was not enough. */
const SIGTERM_AT = 0.6;
/** How long after the grace those may still take that had to wait for the ones killed at its end. */
const AFTER_GRACE_MS = 1_000;

/** The time that the stopping of a script may take, from the moment that this is made. */
export class Grace {
  readonly #limit: TimeLimit;

  constructor(options: {
    readonly clock: Clock;
    readonly graceMs: number;
    readonly hurry?: AbortSignal | undefined;
  }) {
    const { clock, graceMs, hurry } = options;
    this.#limit = new TimeLimit({ clock, ms: graceMs, hurry, hurriedMs: CANCEL_GRACE_MS });
  }

  /** How far the clock has driven it. */
  get stage(): Stage {
    if (this.#limit.isOver) return 'SIGKILL';
    return this.#limit.part >= SIGTERM_AT ? 'SIGTERM' : 'SIGINT';
  }

  /** Whether nobody may wait for anybody any more. */
  get isOverdue(): boolean {
    return this.#limit.msOver >= AFTER_GRACE_MS;
  }
}
