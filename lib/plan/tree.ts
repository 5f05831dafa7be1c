import type { Plan, PlannedBuild } from './planned-build.js';

/** How a build's state is called. */
export const STATE_WORDS: Readonly<Record<PlannedBuild['state'], string>> = {
  built: 'built',
  kept: 'kept',
  'to-do': 'to do',
};

/** What is to be said of a build in a word or three. */
export const describeState = ({ state, isNeeded }: PlannedBuild): string =>
  isNeeded || state === 'built' ? STATE_WORDS[state] : `${STATE_WORDS[state]}, not needed now`;

/** The plan as lines: below each build what it needs, once; `(above)` where it stands already. */
export function planTree(plan: Plan): string[] {
  const builds = new Map(plan.builds.map((build) => [build.id, build]));
  const shown = new Set<string>();
  const rows: { readonly name: string; readonly state: string }[] = [];
  const show = (id: string, lead: { readonly own: string; readonly below: string }): void => {
    const build = builds.get(id);
    if (build === undefined) return;
    const isAbove = shown.has(id);
    shown.add(id);
    const missing = build.unknown.length;
    const notes = [describeState(build), ...(missing > 0 && !isAbove ? [`${missing} not had offline`] : [])];
    rows.push({ name: `${lead.own}${id}${isAbove ? ' (above)' : ''}`, state: notes.join(', ') });
    if (isAbove) return;
    build.needs.forEach((need, index) => {
      const isLast = index === build.needs.length - 1;
      show(need, {
        own: `${lead.below}${isLast ? '└─ ' : '├─ '}`,
        below: `${lead.below}${isLast ? '   ' : '│  '}`,
      });
    });
  };
  show(plan.builds.at(-1)?.id ?? '', { own: '', below: '' });
  const width = Math.max(...rows.map(({ name }) => name.length));
  return rows.map(({ name, state }) => `${name.padEnd(width)}  ${state}`);
}

/** One line: how many builds there are in which state. */
export function summarizePlan({ builds }: Plan): string {
  const count = (is: (build: PlannedBuild) => boolean): number => builds.filter(is).length;
  const counts = [
    `${count(({ state }) => state === 'built')} built`,
    `${count(({ state }) => state === 'kept')} kept`,
    `${count(({ state, isNeeded }) => state === 'to-do' && isNeeded)} to do`,
  ];
  const idle = count(({ state, isNeeded }) => state === 'to-do' && !isNeeded);
  const total = builds.length === 1 ? '1 build' : `${builds.length} builds`;
  return `${total}: ${[...counts, ...(idle > 0 ? [`${idle} not needed now`] : [])].join(', ')}`;
}
