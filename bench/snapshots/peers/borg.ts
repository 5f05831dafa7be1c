import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Packer, Restorer } from '../contestant.js';
import { bytesIn, type Workspace } from '../workspace.js';

/** A local repository without encryption, with borg's cache beside it, so that both can be copied together. */
function repositoryIn(work: Workspace, dir: string) {
  const repository = join(dir, 'repository');
  const env = {
    BORG_BASE_DIR: join(dir, 'home'),
    BORG_RELOCATED_REPO_ACCESS_IS_OK: 'yes',
    BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK: 'yes',
    HOME: dir,
  };
  // Exit status 1 is a warning, such as that of a file that another process has changed.
  const borg = (args: readonly [string, ...string[]], cwd: string) =>
    work.session.timed(['borg', ...args], { cwd, env, okStatuses: [1] });
  return {
    create: async () => {
      await mkdir(dir, { recursive: true });
      await borg(['init', '--encryption=none', repository], dir);
    },
    save: (name: string) => borg(['create', '--numeric-ids', `${repository}::${name}`, '.'], work.tree),
    restore: async (name: string, to: string) => {
      await mkdir(to);
      return borg(['extract', '--numeric-ids', `${repository}::${name}`], to);
    },
    bytes: () => bytesIn(work.session, repository),
  };
}

const baseIn = (work: Workspace): string => join(work.repositories, 'borg');

/** Saves the tree while it is nothing but the image. */
export async function saveBaseWithBorg(work: Workspace): Promise<void> {
  const repository = repositoryIn(work, baseIn(work));
  await repository.create();
  await repository.save('image');
}

export const borgFromBase = (work: Workspace): Packer => ({
  name: 'borg, image saved before',
  pack: async (round) => {
    const dir = join(work.scratch, `borg-base-${round}`);
    await work.session.run(['cp', '-a', baseIn(work), dir]);
    const repository = repositoryIn(work, dir);
    const before = await repository.bytes();
    const used = await repository.save('first');
    return { ...used, bytes: (await repository.bytes()) - before };
  },
});

export const borgAgain = (work: Workspace): Packer => {
  const repository = repositoryIn(work, join(work.scratch, 'borg-again'));
  return {
    name: 'borg, second run',
    setUp: async () => {
      await repository.create();
      await repository.save('first');
    },
    pack: async (round) => {
      const before = await repository.bytes();
      const used = await repository.save(`second-${round}`);
      return { ...used, bytes: (await repository.bytes()) - before };
    },
  };
};

export const borgExtracted = (work: Workspace): Restorer => {
  const repository = repositoryIn(work, join(work.scratch, 'borg-source'));
  return {
    name: 'borg extract',
    setUp: async () => {
      await repository.create();
      await repository.save('first');
    },
    restore: (to) => repository.restore('first', to),
  };
};
