import type { Plan, PlannedBuild } from '../../lib/plan/planned-build.js';

/** A build that has nothing special, but what is given. */
export const buildOf = (id: string, more: Partial<PlannedBuild> = {}): PlannedBuild => ({
  id,
  project: id.split(' ')[0] ?? id,
  step: 'build',
  targets: ['release'],
  filename: `${id}.tar`,
  output: `out/${id}.tar`,
  isNameKnown: true,
  state: 'to-do',
  isNeeded: true,
  isStandalone: true,
  needs: [],
  unknown: [],
  ...more,
});

/** The plan of its last build. */
export const planOf = (builds: readonly PlannedBuild[]): Plan => ({
  project: builds.at(-1)?.project ?? '',
  step: 'build',
  targets: ['release'],
  builds,
});

/** Builds that need some of those before them, each with a long name; the same for the same number. */
export const manyBuilds = (count: number): PlannedBuild[] =>
  Array.from({ length: count }, (_, index) => {
    const before = [1, 2, 5, 11].map((step) => index - step).filter((other) => other >= 0);
    const needs = before.filter((other) => (other * 7 + index) % 3 !== 0);
    const state = (['to-do', 'built', 'kept'] as const)[index % 3] ?? 'to-do';
    const name = (number: number) => `project-number-${number}`;
    return buildOf(name(index), { state, needs: needs.map(name), unknown: index % 4 === 0 ? ['<&">'] : [] });
  });
