import { isAbsolute, join, relative, resolve } from 'node:path';
import { RbmResumeError } from '../errors.js';
import { askRbm, type WalkedBuild } from './ask-rbm.js';
import { buildIds } from './build-ids.js';
import { readKeptBuilds, type KeptBuilds } from './kept-builds.js';
import type { Plan, PlannedBuild } from './planned-build.js';
import { knownNames, type KnownName } from './unknown-names.js';

export interface PlanOptions {
  /** The folder with `rbm.conf`. */
  readonly workspace: string;
  readonly project: string;
  readonly targets?: readonly string[];
  /** @default 'build' */
  readonly step?: string;
  /** The rbm program. @default rbm/rbm of the workspace */
  readonly rbm?: string;
  /** The store in which what was interrupted is kept. @default resume/ of the workspace */
  readonly store?: string;
}

/**
 * Asks rbm what `rbm build PROJECT --step STEP --target T…` would build, in its order. Nothing is built, downloaded, cloned
 * or written; what would need that is named in {@link PlannedBuild.unknown}. The same workspace gives the same plan.
 * @throws RbmResumeError `COMMAND_NOT_FOUND`; `COMMAND_FAILED` with what rbm says, such as of a project that it does not know;
 *   `BAD_CONFIG` where projects need each other
 */
export async function planBuild(options: PlanOptions): Promise<Plan> {
  const workspace = resolve(options.workspace);
  const { project, step = 'build', targets = [] } = options;
  const kept = await readKeptBuilds(options.store ?? join(workspace, 'resume'));
  const rbm = options.rbm ?? join(workspace, 'rbm', 'rbm');
  const asked = { workspace, rbm, project, step, targets, keptProjects: kept.projects };
  const { walk, twin } = await askRbm(asked);
  const names = knownNames(walk, twin);
  const needed = neededBuilds(walk.builds);
  const ids = buildIds(walk.builds);
  const builds = walk.builds.map((build) =>
    plannedBuild(build, {
      workspace,
      ids,
      kept,
      name: names.get(build.key),
      isNeeded: needed.has(build.key),
    }),
  );
  refuseCircles(builds);
  return { project, step, targets, builds };
}

/** rbm itself would begin with one of them again and again. */
function refuseCircles(builds: readonly PlannedBuild[]): void {
  const before = new Set<string>();
  for (const { id, needs } of builds) {
    const later = needs.find((need) => !before.has(need));
    if (later !== undefined)
      throw new RbmResumeError('BAD_CONFIG', `${id} and ${later} need each other`, {
        hint: 'Look at their input_files: one of them has to be built without the other.',
        fields: { build: id, needs: later },
      });
    before.add(id);
  }
}

interface Findings {
  readonly workspace: string;
  readonly ids: ReadonlyMap<string, string>;
  readonly kept: KeptBuilds;
  readonly name: KnownName | undefined;
  readonly isNeeded: boolean;
}

function plannedBuild(build: WalkedBuild, found: Findings): PlannedBuild {
  const { filename, isKnown } = found.name ?? { filename: '', isKnown: false };
  const { project, step, targets } = build;
  const isKept = found.kept.has({ project, step, filename: build.kept_name });
  return {
    id: found.ids.get(build.key) ?? build.key,
    project,
    step,
    targets,
    filename,
    output: insideWorkspace(join(build.dir ?? '', filename), found.workspace),
    isNameKnown: isKnown,
    state: build.is_built && isKnown ? 'built' : isKept ? 'kept' : 'to-do',
    isNeeded: found.isNeeded,
    isStandalone: build.is_standalone,
    needs: build.needs.map((key) => found.ids.get(key) ?? key),
    unknown: isKnown
      ? build.unknown
      : [...build.unknown, 'file name: depends on what is missing here or in what it needs'],
  };
}

function insideWorkspace(path: string, workspace: string): string {
  const inside = relative(workspace, path);
  return isAbsolute(path) && !/^\.\.(?:\/|$)/.test(inside) ? inside : path;
}

/** The keys of the builds that rbm comes to: it builds the project itself in any case, and looks below what is not built. */
function neededBuilds(builds: readonly WalkedBuild[]): Set<string> {
  const last = builds.at(-1);
  const needed = new Set(last === undefined ? [] : [last.key]);
  for (const build of builds.toReversed()) {
    if (needed.has(build.key) && (build === last || !build.is_built))
      build.needs.forEach((key) => needed.add(key));
  }
  return needed;
}
