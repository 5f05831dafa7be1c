import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64';
import { mersenne } from 'pure-rand/generator/mersenne';

/**
 * When a leg is interrupted: so long after its script began, or so long after the script has come to a statement (counted
 * from 1 over the whole build, whatever the leg).
 */
export type Moment =
  { readonly afterMs: number } | { readonly atStatement: number; readonly afterMs: number };

/**
 * Through what the legs of a run go on: what was parked, or a snapshot that was exported and imported elsewhere; `none`
 * where nothing interrupts it.
 */
export type Passage = 'none' | 'parking' | 'snapshots';

/** An interruption before anything is known of the build. */
export interface PlannedInterruption {
  /** Where in the whole work: 0 is its beginning, 1 its end. */
  readonly position: number;
  /** What the position is a share of. */
  readonly by: 'time' | 'statements';
  /** How far into the statement, from 0 to 1. */
  readonly offset: number;
}

export interface PlannedRun {
  /** From 1 on. */
  readonly number: number;
  readonly passage: Passage;
  /** In the order of their positions. */
  readonly interruptions: readonly PlannedInterruption[];
}

/** How much work an uninterrupted build was. */
export interface Work {
  /** How long its script ran. */
  readonly ms: number;
  /** How many statements the script has; `null` when nobody knows. */
  readonly statements: number | null;
}

/** No interruption is planned later than this: builds don't take equally long each time. */
const LATEST = 0.95;

/** Into a statement an interruption comes at most this late. */
const LONGEST_OFFSET_MS = 1_000;

/**
 * Where a number of runs are interrupted. The same seed gives the same plan, and more runs begin with those of fewer. Runs
 * go alternately through parking and through snapshots. Runs without interruptions show whether the project is reproducible
 * by itself.
 */
export function planRuns(options: {
  readonly seed: number;
  readonly runs: number;
  readonly interruptions: number;
}): PlannedRun[] {
  // xoroshiro128+ begins with the same number whatever the seed.
  const random = mersenne(options.seed);
  const draw = (): number => uniformFloat64(random);
  return Array.from({ length: options.runs }, (_, index) => ({
    number: index + 1,
    passage: options.interruptions === 0 ? 'none' : index % 2 === 0 ? 'parking' : 'snapshots',
    interruptions: Array.from({ length: options.interruptions }, () => ({
      position: draw() * LATEST,
      by: draw() < 0.5 ? ('time' as const) : ('statements' as const),
      offset: draw(),
    })).sort((a, b) => a.position - b.position),
  }));
}

/** The moments of a run's legs. Where nobody knows the statements, all go by time. */
export function momentsOf(run: PlannedRun, work: Work): Moment[] {
  const { statements } = work;
  return run.interruptions.map(({ position, by, offset }, index) => {
    if (by === 'statements' && statements !== null && statements > 0) {
      const longest = Math.min(LONGEST_OFFSET_MS, work.ms / statements);
      return { atStatement: 1 + Math.floor(position * statements), afterMs: Math.round(offset * longest) };
    }
    const before = run.interruptions[index - 1]?.position ?? 0;
    return { afterMs: Math.round((position - before) * work.ms) };
  });
}
