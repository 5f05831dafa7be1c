import type { Command } from 'commander';
import { DEFAULT_GRACE_MS, FINISH_PART } from '../container/interrupt.js';
import { DEFAULT_FINISH_STATEMENT_MS } from '../container/rest.js';
import { RbmResumeError } from '../errors.js';
import { parseDuration } from './duration.js';
import { formatDuration } from './output.js';

/** For an option that can be given several times. */
export const collect = (value: string, before: readonly string[]): readonly string[] => [...before, value];

/** Adds `--grace` and `--finish-statement`: how scripts are interrupted. */
export const withInterruptFlags = (command: Command): Command =>
  command
    .option(
      '--grace <span>',
      'how long scripts may take to end before they are killed (default: 60s, or 2.5 times --finish-statement)',
    )
    .option(
      '--finish-statement <span>',
      'how long a statement other than make, or a configure below make, may take to end first (default: 20s)',
    );

export interface InterruptFlags {
  readonly grace?: string;
  readonly finishStatement?: string;
}

/**
 * How long scripts may take, in milliseconds. What is short may end within a part of the grace only, so that the time for which
 * a person has asked has to fit into that.
 * @throws RbmResumeError `USAGE`
 */
export function parsePatience(flags: InterruptFlags): {
  readonly graceMs: number;
  readonly finishStatementMs: number;
} {
  const finishStatementMs =
    flags.finishStatement === undefined ? DEFAULT_FINISH_STATEMENT_MS : parseDuration(flags.finishStatement);
  const leastMs = Math.ceil(finishStatementMs / FINISH_PART);
  if (flags.grace === undefined) return { graceMs: Math.max(DEFAULT_GRACE_MS, leastMs), finishStatementMs };
  const graceMs = parseDuration(flags.grace);
  if (flags.finishStatement !== undefined && graceMs < leastMs) {
    throw new RbmResumeError(
      'USAGE',
      `of a --grace of ${flags.grace}, a statement can have ${formatDuration(graceMs * FINISH_PART)}, not ${flags.finishStatement}`,
      { hint: `Leave --grace out, or make it ${formatDuration(leastMs)}.` },
    );
  }
  return { graceMs, finishStatementMs };
}
