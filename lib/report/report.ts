import { messageOf } from '../errors.js';
import type { Plan } from '../plan/planned-build.js';
import type { ProveReport } from '../prove/report.js';
import {
  compareTexts,
  numberLegs,
  type FinishedBuild,
  type ReportedBuild,
  type ReportedOutput,
} from './reported.js';
import { readStoredBuilds } from './stored-builds.js';

/** What a page or a summary is made of. */
export interface Report {
  /** Builds of this project alone; `null`: of all. */
  readonly project: string | null;
  readonly builds: readonly ReportedBuild[];
  /** `null`: not asked for, or it could not be had. */
  readonly plan: Plan | null;
  readonly proofs: readonly ProveReport[];
  readonly outputs: readonly ReportedOutput[];
  /** What could not be read, one line each. */
  readonly troubles: readonly string[];
}

export interface ReportOptions {
  /** The store's folder, which need not be there. */
  readonly store: string;
  /** Only builds of this project. */
  readonly project?: string;
  /** See `planBuild`. */
  readonly plan?: Plan | null;
  readonly proofs?: readonly ProveReport[];
  /** See `readFinishedBuild`. */
  readonly finished?: readonly FinishedBuild[];
  /** What the caller could not read. */
  readonly troubles?: readonly string[];
}

/**
 * Puts together all that is known of legs, deltas, the plan and proofs. Reads the store and changes nothing in it; what of it can't
 * be read is named in {@link Report.troubles}. The same data give the same report.
 */
export async function gatherReport(options: ReportOptions): Promise<Report> {
  const { store, project = null, plan = null, proofs = [], finished = [] } = options;
  const troubles = [...(options.troubles ?? [])];
  const stored = await readStoredBuilds(store, { project, troubles }).catch((error: unknown) => {
    troubles.push(`the store can't be read: ${messageOf(error)}`);
    return [];
  });
  const told = finished.flatMap(({ build }) =>
    build === null || (project !== null && build.project !== project) ? [] : [build],
  );
  return {
    project,
    builds: mergeBuilds(stored, told),
    plan,
    proofs,
    outputs: finished.flatMap(({ outputs }) => outputs),
    troubles,
  };
}

/** A finished build takes what the store still knows of its legs, and the place of what is kept for it there. */
function mergeBuilds(stored: readonly ReportedBuild[], told: readonly ReportedBuild[]): ReportedBuild[] {
  const left = [...stored];
  const merged = told.map((build) => {
    const at = left.findIndex(({ hash }) => hash !== null && hash === build.hash);
    const [known] = at < 0 ? [] : left.splice(at, 1);
    if (known === undefined) return build;
    const names = new Set(build.legs.map(({ startedAt }) => startedAt));
    const legs = [
      ...build.legs.map((leg) => ({
        ...(known.legs.find(({ startedAt }) => startedAt === leg.startedAt) ?? leg),
        fate: leg.fate,
      })),
      ...known.legs
        .filter(({ startedAt }) => !names.has(startedAt))
        .map((leg) => ({ ...leg, fate: 'lost' as const })),
    ];
    return { ...build, legs: numberLegs(legs), snapshot: known.snapshot };
  });
  return [...left, ...merged].sort(
    (a, b) => compareTexts(a.project, b.project) || compareTexts(a.hash ?? '', b.hash ?? ''),
  );
}
