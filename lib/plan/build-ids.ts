import type { WalkedBuild } from './ask-rbm.js';

/** A name for each build, by its key: as short as it can be and still its own, see `PlannedBuild.id`. */
export function buildIds(builds: readonly WalkedBuild[]): Map<string, string> {
  const firstUser = new Map<string, string>();
  for (const build of builds) {
    for (const key of build.needs) if (!firstUser.has(key)) firstUser.set(key, build.project);
  }
  const parts: readonly ((build: WalkedBuild) => string)[] = [
    ({ project }) => project,
    ({ step }) => (step === 'build' ? '' : ` ${step}`),
    ({ targets }) => ` (${targets.join(' ')})`,
    ({ key }) => ` for ${firstUser.get(key) ?? 'itself'}`,
  ];
  const ids = new Map(builds.map((build) => [build, '']));
  let groups: readonly WalkedBuild[][] = [[...builds]];
  for (const part of parts) {
    groups = groups.flatMap((group) => {
      const split = [...groupBy(group, part)];
      // A part in which all of them are alike tells nothing; the project is always said.
      if (split.length > 1 || part === parts[0]) {
        for (const [text, members] of split) members.forEach((one) => ids.set(one, `${ids.get(one)}${text}`));
      }
      return split.map(([, members]) => members);
    });
  }
  for (const group of groups)
    group.slice(1).forEach((one, index) => ids.set(one, `${ids.get(one)} #${index + 2}`));
  return new Map([...ids].map(([{ key }, id]) => [key, id]));
}

function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) groups.set(keyOf(item), [...(groups.get(keyOf(item)) ?? []), item]);
  return groups;
}
