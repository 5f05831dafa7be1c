import { existsSync } from 'node:fs';
import { mkdir, open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseProjectHash } from '../../lib/digest.js';
import { tryFileLock } from '../../lib/store/lock.js';
import { storePaths } from '../../lib/store/paths.js';
import type { Session } from './session.js';

/** The hash under which the tree is parked. */
export const HASH = parseProjectHash('b'.repeat(64));

/** Where everything of the benchmark lies. What is prepared is kept for the next run; `scratch` is not. */
export interface Workspace {
  readonly dir: string;
  readonly session: Session;
  /** The container image as rbm has it, and the same without compression. */
  readonly image: string;
  readonly imageTar: string;
  readonly store: string;
  /** The parked tree, which all contestants read. */
  readonly tree: string;
  /** The listing of the tree when it was nothing but the image. */
  readonly baseline: string;
  /** What has changed since, as a person would keep it by hand: an archive, and the paths that are gone. */
  readonly delta: { readonly archive: string; readonly removed: string };
  /** Repositories of peers in which the image's tree is saved already. */
  readonly repositories: string;
  readonly scratch: string;
}

/**
 * Opens the work folder for this run alone, and empties its scratch folder.
 * @throws Error when another run is at work there
 */
export async function openWorkspace(dir: string, session: Session): Promise<Workspace> {
  const [store, scratch] = [join(dir, 'store'), join(dir, 'scratch')];
  await mkdir(dir, { recursive: true });
  const lock = await open(join(dir, 'lock'), 'a');
  // Undone last: the descriptor is held until then.
  session.defer(() => lock.close());
  if (!(await tryFileLock(lock))) throw new Error(`another benchmark is at work in ${dir}`);
  const clear = () => removeFolder(session, scratch);
  await clear();
  await mkdir(scratch, { recursive: true });
  session.defer(clear);
  return {
    dir,
    session,
    image: join(dir, 'container-image.tar.zst'),
    imageTar: join(dir, 'container-image.tar'),
    store,
    tree: storePaths(store).parked(HASH).rootfs,
    baseline: join(dir, 'baseline'),
    delta: { archive: join(dir, 'delta.tar.zst'), removed: join(dir, 'delta.removed') },
    repositories: join(dir, 'repositories'),
    scratch,
  };
}

/** Does a step of the preparation unless it was completed in an earlier run. */
export async function once(work: Workspace, step: string, run: () => Promise<void>): Promise<void> {
  const mark = join(work.dir, 'done', step);
  if (existsSync(mark)) return;
  process.stderr.write(`preparing: ${step}\n`);
  await run();
  await mkdir(join(work.dir, 'done'), { recursive: true });
  await writeFile(mark, '');
}

/** Removes a folder and what is in it, but nothing that is mounted there. */
export async function removeFolder(session: Session, dir: string): Promise<void> {
  await session.run(['rm', '-rf', '--one-file-system', '--', dir]);
}

/** A new folder for one run of one contestant. */
export async function scratchFolder(work: Workspace, name: string): Promise<string> {
  const dir = join(work.scratch, name);
  await mkdir(dir, { recursive: true });
  return dir;
}

/** The bytes that the files below a folder hold. */
export async function bytesIn(session: Session, dir: string): Promise<number> {
  const { stdout } = await session.run(['du', '--summarize', '--apparent-size', '--block-size=1', dir]);
  return Number.parseInt(stdout, 10);
}
