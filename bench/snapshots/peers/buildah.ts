import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { execInIdMap } from '../../../lib/id-map.js';
import type { Packer } from '../contestant.js';
import { bytesIn, type Workspace } from '../workspace.js';
import { baseLayout } from './umoci.js';

/**
 * A working container of the image with the same changes as the parked tree, and a commit of it. The overlay driver
 * keeps the changes apart, so that a commit reads nothing else; where it can't be used, vfs compares both trees.
 */
function buildahIn(work: Workspace) {
  const dir = join(work.scratch, 'buildah');
  const place = ['--root', join(dir, 'root'), '--runroot', join(dir, 'run')] as const;
  const env = { HOME: dir };
  const argv = (driver: string, args: readonly string[]): [string, ...string[]] => [
    ...(['buildah', ...place, '--storage-driver', driver] as const),
    ...args,
  ];
  const buildah = (driver: string, args: readonly string[]) => work.session.run(argv(driver, args), { env });

  const start = async (driver: string) => {
    const from = ['from', '--pull-never', '--name', 'bench', `oci:${baseLayout(work)}:base`];
    await buildah(driver, from);
    return (await buildah(driver, ['mount', 'bench'])).stdout.trim();
  };
  return {
    dir,
    setUp: async () => {
      await mkdir(dir, { recursive: true });
      const driver = await start('overlay').then(
        () => 'overlay',
        async () => {
          await rm(dir, { recursive: true, force: true });
          await mkdir(dir, { recursive: true });
          await start('vfs');
          return 'vfs';
        },
      );
      const mounted = (await buildah(driver, ['mount', 'bench'])).stdout.trim();
      const leave = work.session.defer(async () => {
        await buildah(driver, ['umount', '--all']);
        await buildah(driver, ['rm', '--all']);
        await work.session.run(['umount', join(dir, 'root', driver)], { okStatuses: [1, 32] });
      });
      await copyWithContainerIds(work, join(dir, 'tree'));
      const rsync = ['rsync', '-aHAX', '--numeric-ids', '--delete', '--exclude=/dev'] as const;
      await work.session.run([...rsync, `${join(dir, 'tree')}/`, `${mounted}/`]);
      return { driver, leave };
    },
    forget: (driver: string, image: string) => buildah(driver, ['rmi', image]),
    commit: (driver: string, to: string) =>
      work.session.timed(argv(driver, ['commit', '--quiet', 'bench', to]), { env }),
  };
}

/** buildah runs as root, without the id map: it gets a tree with the container's ids. */
async function copyWithContainerIds(work: Workspace, to: string): Promise<void> {
  const archive = `${to}.tar`;
  const keep = ['--format=posix', '--xattrs', '--xattrs-include=*', '--acls', '--numeric-owner'];
  await execInIdMap(['tar', '-C', work.tree, ...keep, '-cf', archive, '.'], { allowStderr: true });
  await mkdir(to);
  await work.session.run(['tar', '-C', to, ...keep, '-xpf', archive]);
  await rm(archive);
}

/** To buildah's own storage: no archive is written and nothing compressed. */
export const buildahCommit = (work: Workspace): Packer => {
  const storage = buildahIn(work);
  let driver = '';
  let leave = async () => {};
  return {
    name: 'buildah commit, own storage',
    setUp: async () => {
      ({ driver, leave } = await storage.setUp());
    },
    pack: async (round) => {
      const used = await storage.commit(driver, `round-${round}`);
      // The next commit would find the layer in the storage and write nothing.
      await storage.forget(driver, `round-${round}`);
      return used;
    },
    tearDown: () => leave(),
  };
};

/** To an OCI layout, which other programs can read. */
export const buildahCommitLayout = (work: Workspace): Packer => {
  const storage = buildahIn(work);
  let driver = '';
  let leave = async () => {};
  return {
    name: 'buildah commit, OCI layout',
    setUp: async () => {
      ({ driver, leave } = await storage.setUp());
    },
    pack: async (round) => {
      const to = join(storage.dir, `oci-${round}`);
      const used = await storage.commit(driver, `oci:${to}:round`);
      return { ...used, bytes: await bytesIn(work.session, to) };
    },
    tearDown: () => leave(),
  };
};
