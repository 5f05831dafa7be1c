import { existsSync } from 'node:fs';
import { rmdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isProjectHash } from '../digest.js';
import { RbmResumeError, systemErrorCode } from '../errors.js';
import { discardDirectory, removeTree } from '../rootfs/move-tree.js';
import { partialStem, SCRATCH_STEM } from '../snapshot/restore.js';
import { sweepHeldFolders } from '../store/held-folder.js';
import { listLive, namesIn, type LiveEntry } from '../store/live.js';
import { withStoreLock } from '../store/lock.js';
import { keptPathsIn, storePaths, type StorePaths } from '../store/paths.js';
import { isWholeParking, parkingStem } from './parked-leftovers.js';
import { listProcesses } from './stop/processes.js';
import { namingIoFailures } from '../system-error.js';
import { DAY_MS } from '../time.js';

/** Something that nobody uses any more. */
export interface Leftover {
  readonly what:
    'killed-build' | 'set-aside' | 'failed' | 'unfinished-parking' | 'quarantined' | 'replaced-index';
  readonly path: string;
  readonly project: string | null;
}

export interface LeftoverLimits {
  /** How long the copies of a damaged index stay that a repair has left beside the new one. @default 30 */
  readonly keepDays?: number | undefined;
  /** @default the present time */
  readonly now?: Date;
}

/**
 * What runs that were killed left behind, what was set aside, failed builds kept for a look, and damaged indexes that were replaced
 * long ago. Nothing is changed.
 */
export function findLeftovers(store: string, limits: LeftoverLimits = {}): Promise<Leftover[]> {
  return namingIoFailures(`looking for what nobody uses in ${store}`, () => lookForLeftovers(store, limits));
}

async function lookForLeftovers(store: string, limits: LeftoverLimits): Promise<Leftover[]> {
  const paths = storePaths(store);
  const killed = (await listLive(paths)).filter(({ isOwnerAlive }) => !isOwnerAlive);
  const namedIn = async (what: Leftover['what'], root: string): Promise<Leftover[]> =>
    (await namesIn(root)).map((name) => ({ what, path: join(root, name), project: null }));
  return [
    ...killed.map((entry) => ({
      what: 'killed-build' as const,
      path: entry.record?.container ?? entry.paths.dir,
      project: entry.record?.project ?? null,
    })),
    ...(await namedIn('set-aside', paths.setAsideRoot)),
    ...(await namedIn('failed', paths.failedRoot)),
    // What remains of a snapshot there is a note; its blobs are garbage.
    ...(await namedIn('quarantined', paths.quarantineRoot)),
    ...(await findUnfinished(paths)),
    ...(await findReplaced(paths, limits)),
  ];
}

/** What `repairStore` has put beside the files that it has written anew. */
async function findReplaced(paths: StorePaths, limits: LeftoverLimits): Promise<Leftover[]> {
  const { keepDays = 30, now = new Date() } = limits;
  const found: Leftover[] = [];
  for (const name of await namesIn(paths.root)) {
    const path = join(paths.root, name);
    if (!/^(?:index\.json|oci-layout)\.damaged-/.test(name)) continue;
    const made = await stat(path).catch((error: unknown) => {
      // Somebody has removed it meanwhile, by hand or by a prune of his own.
      if (systemErrorCode(error) === 'ENOENT') return null;
      throw error;
    });
    if (made !== null && now.getTime() - made.mtimeMs > keepDays * DAY_MS)
      found.push({ what: 'replaced-index', path, project: null });
  }
  return found;
}

/** A tree that was moved aside by a process that died before it wrote the record. */
async function findUnfinished(paths: StorePaths): Promise<Leftover[]> {
  const found: Leftover[] = [];
  for (const name of await namesIn(paths.parkedRoot)) {
    const kept = keptPathsIn(join(paths.parkedRoot, name));
    const [hash = '', rest] = name.split(parkingStem(''));
    // One whose rename was all that was missing gets its place by the next build.
    const isPlaced = rest === undefined || !existsSync(join(paths.parkedRoot, hash));
    const isWhole = isProjectHash(hash) && isPlaced && (await isWholeParking(kept));
    if (!isWhole) found.push({ what: 'unfinished-parking', path: kept.dir, project: null });
  }
  return found;
}

/**
 * Removes what {@link findLeftovers} finds, inside the id map, and returns it. Processes that still run in the
 * container of a killed rbm are killed first: nobody waits for what they make.
 * @throws RbmResumeError `STILL_ALIVE` when one of them can't be killed
 */
export function pruneLeftovers(store: string, limits: LeftoverLimits = {}): Promise<Leftover[]> {
  return namingIoFailures(`pruning ${store}`, () => removeLeftovers(store, limits));
}

async function removeLeftovers(store: string, limits: LeftoverLimits): Promise<Leftover[]> {
  const paths = storePaths(store);
  const found = await withStoreLock(paths, async () => {
    const leftovers = await findLeftovers(store, limits);
    for (const { what, path } of leftovers) if (what !== 'killed-build') await discardDirectory(path);
    return leftovers;
  });
  for (const entry of await listLive(paths)) if (!entry.isOwnerAlive) await removeKilledBuild(entry);
  await sweepHeldFolders(SCRATCH_STEM);
  return found;
}

async function removeKilledBuild({ record, paths }: LiveEntry): Promise<void> {
  if (record !== null) {
    await killAllIn(record.container);
    await sweepHeldFolders(partialStem(record.container));
    await removeTree(`${record.container}.partial`);
    // A prune that is killed here leaves a name that the next one removes by the line above.
    await discardDirectory(record.container, `${record.container}.partial`);
    await removeEmptyParents(record.container);
  }
  await discardDirectory(paths.dir);
}

async function killAllIn(container: string): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const alive = listProcesses(container);
    if (alive.length === 0) return;
    for (const { pid } of alive) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch (error) {
        if (systemErrorCode(error) !== 'ESRCH') throw error;
      }
    }
    await sleep(50);
  }
  throw new RbmResumeError('STILL_ALIVE', `processes in ${container} can't be killed`, {
    hint: 'Look at them with `ps -o pid,stat,wchan,args`.',
  });
}

/** rbm's own temporary folder stays when rbm is killed: `TMP/rbm-XXXXXX/rbm-containers/ID`. */
async function removeEmptyParents(container: string): Promise<void> {
  const containers = dirname(container);
  const temporary = dirname(containers);
  if (basename(containers) !== 'rbm-containers' || !/^rbm-\w{6}$/.test(basename(temporary))) return;
  try {
    await rmdir(containers);
  } catch (error) {
    // Another container of the same killed rbm lies there; the last one to go takes the folder along.
    if (['ENOTEMPTY', 'ENOENT'].includes(systemErrorCode(error) ?? '')) return;
    throw error;
  }
  await (await import('fs-extra')).remove(temporary);
}
