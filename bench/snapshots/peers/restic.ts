import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Packer, Restorer } from '../contestant.js';
import { bytesIn, type Workspace } from '../workspace.js';

/** A local repository with its cache beside it, so that both can be copied together. */
function repositoryIn(work: Workspace, dir: string) {
  const env = {
    RESTIC_REPOSITORY: join(dir, 'repository'),
    RESTIC_CACHE_DIR: join(dir, 'cache'),
    RESTIC_PASSWORD: 'bench',
    // Repositories of this version compress.
    HOME: dir,
  };
  const restic = (args: readonly string[], cwd = work.tree) =>
    work.session.timed(['restic', '--quiet', ...args], { cwd, env });
  return {
    create: async () => {
      await mkdir(dir, { recursive: true });
      await restic(['init', '--repository-version', '2'], dir);
    },
    save: () => restic(['backup', '.']),
    restore: (to: string) => restic(['restore', 'latest', '--path', work.tree, '--target', to]),
    bytes: () => bytesIn(work.session, env.RESTIC_REPOSITORY),
  };
}

const baseIn = (work: Workspace): string => join(work.repositories, 'restic');

/** Saves the tree while it is nothing but the image. */
export async function saveBaseWithRestic(work: Workspace): Promise<void> {
  const repository = repositoryIn(work, baseIn(work));
  await repository.create();
  await repository.save();
}

export const resticFromNothing = (work: Workspace): Packer => ({
  name: 'restic, empty repository',
  pack: async (round) => {
    const repository = repositoryIn(work, join(work.scratch, `restic-${round}`));
    await repository.create();
    const used = await repository.save();
    return { ...used, bytes: await repository.bytes() };
  },
});

export const resticFromBase = (work: Workspace): Packer => ({
  name: 'restic, image saved before',
  pack: async (round) => {
    const dir = join(work.scratch, `restic-base-${round}`);
    await work.session.run(['cp', '-a', baseIn(work), dir]);
    const repository = repositoryIn(work, dir);
    const before = await repository.bytes();
    const used = await repository.save();
    return { ...used, bytes: (await repository.bytes()) - before };
  },
});

export const resticAgain = (work: Workspace): Packer => {
  const repository = repositoryIn(work, join(work.scratch, 'restic-again'));
  return {
    name: 'restic, second run',
    setUp: async () => {
      await repository.create();
      await repository.save();
    },
    pack: async () => {
      const before = await repository.bytes();
      const used = await repository.save();
      return { ...used, bytes: (await repository.bytes()) - before };
    },
  };
};

export const resticRestored = (work: Workspace): Restorer => {
  const repository = repositoryIn(work, join(work.scratch, 'restic-source'));
  return {
    name: 'restic restore',
    setUp: async () => {
      await repository.create();
      await repository.save();
    },
    restore: (to) => repository.restore(to),
  };
};
