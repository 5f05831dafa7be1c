import type { Packer, Restorer } from './contestant.js';
import { duelPack, duelRestore, medianBytes, medianSeconds, type Results } from './duel.js';
import { ourFirstPack, ourRestore, ourSecondPack } from './ours.js';
import { borgAgain, borgExtracted, borgFromBase } from './peers/borg.js';
import { buildahCommit, buildahCommitLayout } from './peers/buildah.js';
import { casyncExtracted, casyncFromBase } from './peers/casync.js';
import { byHand, copyBeside, copyOf, move } from './peers/floors.js';
import { resticAgain, resticFromBase, resticFromNothing, resticRestored } from './peers/restic.js';
import { tarGzJoined, tarGzSplit, tarZstd, tarZstdExtracted } from './peers/tar.js';
import { umociRepack, umociUnpack } from './peers/umoci.js';
import { recompile } from './recompile.js';
import type { Comparison, Goal } from './report.js';
import type { Workspace } from './workspace.js';

export const WHAT = {
  first: 'pack, first delta',
  second: 'pack, second delta',
  restore: 'restore',
} as const;

const atLeast = (ratio: number): Goal => ({ kind: 'at least', ratio });
const atMost = (ratio: number): Goal => ({ kind: 'at most', ratio });

/** One row that is to be measured. */
export interface Row {
  readonly what: string;
  readonly peer: string;
  readonly measure: (rounds: number) => Promise<Comparison>;
}

/** All comparisons of commands with commands, in the order of the table. */
export function commandRows(work: Workspace, isOursThere: boolean): Row[] {
  const first = (theirs: Packer, goal: Goal | null = null): Row =>
    row(WHAT.first, { theirs, goal }, (rounds) =>
      duelPack(work, rounds, { ours: isOursThere ? ourFirstPack(work) : null, theirs }),
    );
  const second = (theirs: Packer, goal: Goal | null = null): Row =>
    row(WHAT.second, { theirs, goal }, (rounds) =>
      duelPack(work, rounds, {
        ours: isOursThere ? ourSecondPack(work) : null,
        theirs,
        beforeRound: () => recompile(work),
      }),
    );
  const restore = (theirs: Restorer, goal: Goal | null = null): Row =>
    row(WHAT.restore, { theirs, goal }, (rounds) =>
      duelRestore(work, rounds, { ours: isOursThere ? ourRestore(work) : null, theirs }),
    );
  return [
    first(tarGzSplit(work), atLeast(30)),
    first(tarZstd(work), atLeast(3)),
    first(resticFromNothing(work), atLeast(8)),
    first(resticFromBase(work)),
    first(borgFromBase(work)),
    first(casyncFromBase(work)),
    first(umociRepack(work)),
    first(buildahCommit(work), atLeast(1)),
    first(buildahCommitLayout(work)),
    first(copyBeside(work)),
    first(move(work)),
    second(borgAgain(work), atLeast(5)),
    second(resticAgain(work), atLeast(5)),
    restore(byHand(work), atMost(1.25)),
    restore(resticRestored(work), atLeast(2)),
    restore(tarGzJoined(work), atLeast(3)),
    restore(umociUnpack(work), atLeast(5)),
    restore(tarZstdExtracted(work)),
    restore(borgExtracted(work)),
    restore(casyncExtracted(work)),
    restore(copyOf(work)),
  ];
}

function row(
  what: string,
  { theirs, goal }: { readonly theirs: { readonly name: string }; readonly goal: Goal | null },
  run: (rounds: number) => Promise<Results>,
): Row {
  const measure = async (rounds: number): Promise<Comparison> => {
    const results = await run(rounds);
    const theirBytes = medianBytes(results.theirs);
    return {
      what,
      peer: theirs.name,
      unit: 'seconds',
      goal,
      ours: results.ours.length === 0 ? null : medianSeconds(results.ours),
      theirs: medianSeconds(results.theirs),
      ...(theirBytes === undefined ? {} : { theirBytes }),
    };
  };
  return { what, peer: theirs.name, measure };
}
