import type { Clock } from './script-tree.js';

export interface TimeLimitOptions {
  readonly clock: Clock;
  /** In milliseconds, from the moment that the limit is made. */
  readonly ms: number;
  /** Once it is aborted, no more than `hurriedMs` are left. */
  readonly hurry?: AbortSignal | undefined;
  /** In milliseconds. */
  readonly hurriedMs: number;
}

/** A time that something may take, and that becomes shorter when somebody loses patience. */
export class TimeLimit {
  readonly #options: TimeLimitOptions;
  readonly #start: number;
  #ms: number;
  #isHurried = false;

  constructor(options: TimeLimitOptions) {
    this.#options = options;
    this.#start = options.clock.now();
    this.#ms = options.ms;
    this.#hurry();
  }

  /** How much of it is over: 0 at its beginning, 1 at its end. */
  get part(): number {
    return this.isOver ? 1 : this.#elapsed / this.#ms;
  }

  get isOver(): boolean {
    return this.msOver >= 0;
  }

  /** Milliseconds since its end; negative before. */
  get msOver(): number {
    this.#hurry();
    return this.#elapsed - this.#ms;
  }

  get #elapsed(): number {
    return this.#options.clock.now() - this.#start;
  }

  #hurry(): void {
    const { hurry, hurriedMs } = this.#options;
    if (this.#isHurried || hurry?.aborted !== true) return;
    this.#isHurried = true;
    this.#ms = Math.min(this.#ms, this.#elapsed + hurriedMs);
  }
}
