import { EXIT } from '../errors.js';
import type { ExplainedDifference } from './explain.js';
import type { OutputFile } from './outputs.js';
import type { Passage } from './plan.js';
import type { StatementPosition } from './watch.js';

/**
 * - `equal`: the resumed build gave the same bytes
 * - `different`: it gave others
 * - `failed`: a build failed
 * - `not-proven`: it was not interrupted, or did not go on in what was kept
 * - `cancelled`: somebody asked for the end
 */
export type Verdict = 'equal' | 'different' | 'failed' | 'not-proven' | 'cancelled';

/** An interruption that really happened. */
export interface Interruption {
  /** Seconds from when the script began in that leg. */
  readonly afterSeconds: number;
  readonly statement: StatementPosition | null;
}

/** A build that was interrupted, resumed and compared. */
export interface ProvedRun {
  /** From 1 on. */
  readonly number: number;
  readonly passage: Passage;
  readonly verdict: Verdict;
  /** Why it is neither equal nor different, or what else a person should know. */
  readonly remark: string | null;
  readonly plannedInterruptions: number;
  readonly interruptions: readonly Interruption[];
  /** How long the script ran in all legs together. */
  readonly scriptSeconds: number;
  /** Statements that ran more than once; `null` when nobody knows. */
  readonly statementsRedone: number | null;
  /** Compilations in all legs beyond those of the uninterrupted build; `null` when none are recognised in its log. */
  readonly compileCommandsRedone: number | null;
  /** User and system time in all, beyond that of the uninterrupted build; `null` when it could not be measured. */
  readonly extraCpuSeconds: number | null;
  /** The part of it that the build script used in all legs, for what it did again. */
  readonly redoneCpuSeconds: number | null;
  /** The rest: to begin and end a leg more for each interruption, and to pack and carry snapshots. */
  readonly resumingCpuSeconds: number | null;
  readonly outputs: readonly OutputFile[];
  readonly differences: readonly ExplainedDifference[];
  /** Where its output lies for a look; `null` when it is equal. */
  readonly outputDir: string | null;
  /** What diffoscope has written; `null` when it is not installed. */
  readonly diffoscope: string | null;
}

/** A build that nobody interrupts. */
export interface UninterruptedBuild {
  readonly scriptSeconds: number;
  readonly statements: number | null;
  readonly compileCommands: number | null;
  /** User and system time from when the project's container was made. */
  readonly cpuSeconds: number | null;
  /** That of the build script alone. */
  readonly scriptCpuSeconds: number | null;
  readonly outputs: readonly OutputFile[];
}

export interface ProveReport {
  readonly project: string;
  readonly command: readonly string[];
  readonly seed: number;
  readonly verdict: Verdict;
  /** Why there are no runs. */
  readonly remark: string | null;
  /** `null` when it failed. */
  readonly uninterrupted: UninterruptedBuild | null;
  readonly runs: readonly ProvedRun[];
  /**
   * Where a run differs: whether a second uninterrupted build gives the bytes of the first one. When not, it is not for
   * the interruptions that outputs differ. That they are equal does not say that the next two would be. `null` when it was
   * not tried, or failed.
   */
  readonly isReproducible: boolean | null;
  /** Outputs and logs; `null` when all is equal, and they are gone. */
  readonly workDir: string | null;
  readonly exitStatus: number;
}

/** The worst of the runs decides. Nothing at all is not proven. */
export function verdictOf(runs: readonly Pick<ProvedRun, 'verdict'>[], planned: number): Verdict {
  for (const verdict of ['different', 'cancelled', 'failed', 'not-proven'] as const)
    if (runs.some((run) => run.verdict === verdict)) return verdict;
  return runs.length > 0 && runs.length === planned ? 'equal' : 'not-proven';
}

export const exitStatusOf = (verdict: Verdict): number =>
  ({
    equal: EXIT.finished,
    different: EXIT.outputsDiffer,
    failed: EXIT.notProven,
    'not-proven': EXIT.notProven,
    cancelled: EXIT.interruptedNothingKept,
  })[verdict];
