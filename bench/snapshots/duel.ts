import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { median, type Measured, type Packer, type Restorer } from './contestant.js';
import { makeExt4 } from './ext4.js';
import { removeFolder, type Workspace } from './workspace.js';

/** What each side took in every round; `ours` is empty when ours is not there. */
export interface Results {
  readonly ours: readonly Measured[];
  readonly theirs: readonly Measured[];
}

export interface PackDuel {
  readonly ours: Packer | null;
  readonly theirs: Packer;
  /** Before each round, for both: what changes the tree. */
  readonly beforeRound?: () => Promise<void>;
}

/** Lets both keep the tree in turn, `rounds` times. */
export async function duelPack(work: Workspace, rounds: number, duel: PackDuel): Promise<Results> {
  const { ours, theirs } = duel;
  const results = { ours: [] as Measured[], theirs: [] as Measured[] };
  try {
    await ours?.setUp?.();
    await theirs.setUp?.();
    for (let round = 0; round < rounds; round += 1) {
      await duel.beforeRound?.();
      if (ours !== null) results.ours.push(await ours.pack(round));
      results.theirs.push(await theirs.pack(round));
    }
  } finally {
    await theirs.tearDown?.();
    await ours?.tearDown?.();
    await emptyScratch(work);
  }
  return results;
}

/** Lets both restore the tree in turn: each to a fresh ext4 of its own, and each run to a directory of its own. */
export async function duelRestore(
  work: Workspace,
  rounds: number,
  { ours, theirs }: { readonly ours: Restorer | null; readonly theirs: Restorer },
): Promise<Results> {
  const results = { ours: [] as Measured[], theirs: [] as Measured[] };
  await ours?.setUp?.();
  await theirs.setUp?.();
  const disks = {
    ours: ours === null ? null : await makeExt4(work.session, work.scratch, 'our-disk'),
    theirs: await makeExt4(work.session, work.scratch, 'their-disk'),
  };
  for (let round = 0; round < rounds; round += 1) {
    if (ours !== null && disks.ours !== null)
      results.ours.push(await ours.restore(join(disks.ours.mountPoint, `run-${round}`)));
    results.theirs.push(await theirs.restore(join(disks.theirs.mountPoint, `run-${round}`)));
  }
  await disks.ours?.remove();
  await disks.theirs.remove();
  await emptyScratch(work);
  return results;
}

async function emptyScratch(work: Workspace): Promise<void> {
  await removeFolder(work.session, work.scratch);
  await mkdir(work.scratch, { recursive: true });
}

export const medianSeconds = (results: readonly Measured[]): number =>
  median(results.map(({ seconds }) => seconds));

export const medianBytes = (results: readonly Measured[]): number | undefined => {
  const known = results.flatMap(({ bytes }) => (bytes === undefined ? [] : [bytes]));
  return known.length === 0 ? undefined : median(known);
};
