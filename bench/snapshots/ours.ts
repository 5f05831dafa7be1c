import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Packer, Restorer } from './contestant.js';
import { addLeg, parkTree } from './parked-tree.js';
import type { Session } from './session.js';
import { bytesIn, HASH, removeFolder, type Workspace } from './workspace.js';

const program = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'dist', 'cli', 'main.js');

/** The whole command, started as a user's shell does. */
export const command = (store: string, ...args: readonly string[]): [string, ...string[]] => [
  process.execPath,
  program,
  '--store',
  store,
  ...args,
];

/** Whether the built command has the verbs that are measured. */
export async function hasOurs(session: Session): Promise<boolean> {
  if (!existsSync(program)) return false;
  const { stdout } = await session.run([process.execPath, program, '--help']);
  return /^ {2}pack\b/m.test(stdout) && /^ {2}restore\b/m.test(stdout);
}

/** Parks the tree in a store without any snapshot. */
export async function parkAnew(work: Workspace): Promise<void> {
  for (const name of ['oci-layout', 'index.json', 'blobs'])
    await removeFolder(work.session, join(work.store, name));
  const { store, image, baseline } = work;
  await parkTree({ store, hash: HASH, image, baseline });
}

const pack = (work: Workspace) => work.session.timed(command(work.store, 'pack', HASH));

export const ourFirstPack = (work: Workspace): Packer => ({
  name: 'rbm-resume pack',
  pack: async () => {
    await parkAnew(work);
    const used = await pack(work);
    return { ...used, bytes: await deltaBytes(work.store) };
  },
});

export const ourSecondPack = (work: Workspace): Packer => ({
  name: 'rbm-resume pack, second delta',
  setUp: async () => {
    await parkAnew(work);
    await pack(work);
  },
  pack: async () => {
    await addLeg(work.store, HASH);
    const used = await pack(work);
    return { ...used, bytes: await deltaBytes(work.store) };
  },
});

export const ourRestore = (work: Workspace): Restorer => ({
  name: 'rbm-resume restore',
  setUp: async () => {
    await parkAnew(work);
    await pack(work);
  },
  restore: (dir) => work.session.timed(command(work.store, 'restore', HASH, dir)),
});

/** Bytes of all that makes the store's image layout; the parked tree is not part of it. */
export async function layoutBytes(session: Session, store: string): Promise<number> {
  const sizes = ['oci-layout', 'index.json', 'blobs'].map((name) => bytesIn(session, join(store, name)));
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}

interface Descriptor {
  readonly digest: string;
  readonly size: number;
}

/** Bytes of the uppermost layer of the snapshot that was made last. */
export async function deltaBytes(store: string): Promise<number> {
  const read = async (path: string): Promise<unknown> =>
    JSON.parse(await readFile(join(store, path), 'utf8'));
  const index = (await read('index.json')) as { readonly manifests: readonly Descriptor[] };
  const manifests = await Promise.all(
    index.manifests.map(({ digest }) => read(`blobs/${digest.replace(':', '/')}`)),
  );
  const stacks = (manifests as { readonly layers: readonly Descriptor[] }[]).map(({ layers }) => layers);
  const last = stacks.sort((a, b) => a.length - b.length).at(-1);
  return last?.at(-1)?.size ?? NaN;
}
