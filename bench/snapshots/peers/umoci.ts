import { join } from 'node:path';
import type { Packer, Restorer } from '../contestant.js';
import { bytesIn, scratchFolder, type Workspace } from '../workspace.js';
import { readIdMap } from '../../../lib/id-map.js';

/** The container image as an OCI image: one layer, the image's own archive. */
export const baseLayout = (work: Workspace): string => join(work.repositories, 'oci');

/** Makes it. umoci compresses the layer again, which is not timed. */
export async function makeBaseLayout(work: Workspace): Promise<void> {
  const layout = baseLayout(work);
  await work.session.run(['umoci', 'init', '--layout', layout]);
  await work.session.run(['umoci', 'new', '--image', `${layout}:base`]);
  await work.session.run(['umoci', 'raw', 'add-layer', '--image', `${layout}:base`, work.imageTar]);
}

async function unpack(work: Workspace, image: string, bundle: string) {
  const { uid, gid, uids, gids } = await readIdMap();
  const maps = [
    `--uid-map=0:${uid}:1`,
    `--uid-map=1:${uids.first}:${uids.count}`,
    `--gid-map=0:${gid}:1`,
    `--gid-map=1:${gids.first}:${gids.count}`,
  ];
  return work.session.timed(['umoci', 'unpack', ...maps, '--image', image, bundle]);
}

/** A bundle of the image whose tree is then made the same as the parked one. */
async function changedBundle(work: Workspace): Promise<string> {
  const bundle = join(work.scratch, 'umoci-bundle');
  await unpack(work, `${baseLayout(work)}:base`, bundle);
  await work.session.script('rm -rf "$2/rootfs" && cp -a "$1" "$2/rootfs"', [work.tree, bundle]);
  return bundle;
}

export const umociRepack = (work: Workspace): Packer => {
  const bundle = join(work.scratch, 'umoci-bundle');
  return {
    name: 'umoci repack',
    setUp: async () => {
      await changedBundle(work);
    },
    pack: async (round) => {
      const dir = await scratchFolder(work, `umoci-${round}`);
      await work.session.run(['cp', '-a', baseLayout(work), join(dir, 'oci')]);
      const before = await bytesIn(work.session, dir);
      const image = `${join(dir, 'oci')}:base`;
      const used = await work.session.timed(['umoci', 'repack', '--image', image, bundle]);
      return { ...used, bytes: (await bytesIn(work.session, dir)) - before };
    },
  };
};

export const umociUnpack = (work: Workspace): Restorer => {
  const layout = join(work.scratch, 'umoci-source');
  return {
    name: 'umoci unpack',
    setUp: async () => {
      const bundle = await changedBundle(work);
      await work.session.run(['cp', '-a', baseLayout(work), layout]);
      await work.session.run(['umoci', 'repack', '--image', `${layout}:base`, bundle]);
    },
    restore: (to) => unpack(work, `${layout}:base`, to),
  };
};
