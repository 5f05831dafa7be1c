import { join } from 'node:path';
import { execInIdMap } from '../../../lib/id-map.js';
import type { Packer, Restorer } from '../contestant.js';
import { scratchFolder, type Workspace } from '../workspace.js';

/** The least that a restore has to do: extract the image, then the delta over it, then remove what is gone. */
export const byHand = (work: Workspace): Restorer => ({
  name: 'image, then delta, by hand',
  restore: async (to) => {
    const script = `set -euo pipefail; mkdir "$1"; cd "$1"
      zstd -qdc "$2" | tar --exclude=./dev -xpf -
      zstd -qdc "$3" | tar --xattrs --xattrs-include='*' --acls --numeric-owner -xpf -
      xargs -0 -r rm -rf -- < "$4"`;
    const { archive, removed } = work.delta;
    await work.session.run(['sync']);
    const start = process.hrtime.bigint();
    await execInIdMap(['bash', '-c', script, 'bash', to, work.image, archive, removed]);
    return { seconds: Number(process.hrtime.bigint() - start) / 1e9 };
  },
});

/** Copies the tree that is still there: nothing is read from an archive. */
export const copyOf = (work: Workspace): Restorer => ({
  name: 'cp -a of the tree',
  restore: (to) => work.session.timed(['cp', '-a', work.tree, to]),
});

export const copyBeside = (work: Workspace): Packer => ({
  name: 'cp -a of the tree',
  pack: async (round) => {
    const dir = await scratchFolder(work, 'copies');
    return work.session.timed(['cp', '-a', work.tree, join(dir, String(round))]);
  },
});

/** A rename on one file system: what parking is. */
export const move = (work: Workspace): Packer => {
  const name = (round: number) => join(work.scratch, `moved-${round}`);
  return {
    name: 'mv of the tree',
    setUp: async () => {
      await work.session.run(['cp', '-a', work.tree, name(-1)]);
    },
    pack: (round) => work.session.timed(['mv', name(round - 1), name(round)]),
  };
};
