import { randomInt } from 'node:crypto';

/** With `EVERYWHERE=1` the tests of faults try every point; with `POINTS=N` so many that chance chooses; else a few. */
export const isEverywhere = process.env.EVERYWHERE === '1';

/** All points where everything is tried; else some of them: by chance with `POINTS`, or `count` that lie evenly apart. */
export function sample<T>(all: readonly T[], count: number): T[] {
  const points = process.env.POINTS;
  if (points === undefined && !isEverywhere)
    return all.filter(
      (_, at) => Math.floor((at * count) / all.length) !== Math.floor(((at - 1) * count) / all.length),
    );
  const wanted = Number(points ?? all.length);
  const left = [...all];
  while (left.length > wanted) left.splice(randomInt(left.length), 1);
  return left;
}
