import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Packer, Restorer } from '../contestant.js';
import { bytesIn, type Workspace } from '../workspace.js';

function storeIn(work: Workspace, dir: string) {
  const store = join(dir, 'store.castr');
  const casync = (args: readonly string[]) =>
    work.session.timed(['casync', `--store=${store}`, ...args], { env: { HOME: dir } });
  return {
    save: async (name: string) => {
      await mkdir(dir, { recursive: true });
      return casync(['make', join(dir, `${name}.caidx`), work.tree]);
    },
    restore: (name: string, to: string) => casync(['extract', join(dir, `${name}.caidx`), to]),
    bytes: () => bytesIn(work.session, dir),
  };
}

const baseIn = (work: Workspace): string => join(work.repositories, 'casync');

/** Saves the tree while it is nothing but the image. */
export async function saveBaseWithCasync(work: Workspace): Promise<void> {
  await storeIn(work, baseIn(work)).save('image');
}

export const casyncFromBase = (work: Workspace): Packer => ({
  name: 'casync, image saved before',
  pack: async (round) => {
    const dir = join(work.scratch, `casync-${round}`);
    await work.session.run(['cp', '-a', baseIn(work), dir]);
    const store = storeIn(work, dir);
    const before = await store.bytes();
    const used = await store.save('first');
    return { ...used, bytes: (await store.bytes()) - before };
  },
});

export const casyncExtracted = (work: Workspace): Restorer => {
  const store = storeIn(work, join(work.scratch, 'casync-source'));
  return {
    name: 'casync extract',
    setUp: async () => {
      await store.save('first');
    },
    restore: (to) => store.restore('first', to),
  };
};
