import { randomInt } from 'node:crypto';

/** With `EVERYWHERE=1` the tests of faults try every point; else, or with `POINTS`, a few that chance chooses. */
export const isEverywhere = process.env.EVERYWHERE === '1';

/** So many of `all`, chosen by chance; all of them where everything is tried. */
export function sample<T>(all: readonly T[], count: number): T[] {
  const wanted = Number(process.env.POINTS ?? (isEverywhere ? all.length : count));
  const left = [...all];
  while (left.length > wanted) left.splice(randomInt(left.length), 1);
  return left;
}
