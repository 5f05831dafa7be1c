import { spawn } from 'node:child_process';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import fse from 'fs-extra';
import type { ProjectHash } from '../digest.js';
import { messageOf } from '../errors.js';
import { clearedEnvironment } from '../exec.js';
import { describeIdMap, isSameIdMap, readIdMap } from '../id-map.js';
import { syncDirectory, writeJsonDurably } from '../store/atomic-write.js';
import { failedTries, MAX_FAILED_TRIES } from '../store/ledger.js';
import { readBootId } from '../store/live.js';
import { withStoreLock } from '../store/lock.js';
import type { KeptPaths, LivePaths, StorePaths } from '../store/paths.js';
import { readKeptRecord, workSeconds, type KeptRecord } from '../store/record.js';
import { traceTo } from '../trace.js';
import { directoryInode, moveTree, removeTree, type MoveKind } from '../rootfs/move-tree.js';
import { setAside } from './set-aside.js';

const trace = traceTo('park');

export interface ParkRequest {
  readonly container: string;
  readonly live: LivePaths;
  /** All but what only the parking itself knows. */
  readonly record: Omit<KeptRecord, 'inode' | 'bootId' | 'parkedAt'>;
}

/** `already-kept`: a tree with more work in it is parked under this hash; the container stays where it is. */
export type ParkResult = MoveKind | 'already-kept';

/**
 * Keeps a container under its project hash: moves the tree aside, then writes the record that says so. A crash between
 * the two leaves a tree without a record, which nobody resumes.
 */
export function park(paths: StorePaths, request: ParkRequest): Promise<ParkResult> {
  const { record } = request;
  const kept = paths.parked(record.hash);
  return withStoreLock(paths, async () => {
    const other = await readKeptRecord(kept.record).catch(() => null);
    if (
      other !== null &&
      workSeconds(other) > workSeconds(record) &&
      (await directoryInode(kept.rootfs)) !== null
    ) {
      return 'already-kept';
    }
    if (await fse.pathExists(kept.dir)) await removeTree(kept.dir);
    await fse.ensureDir(kept.dir);
    const how = await moveTree(request.container, kept.rootfs);
    if (record.baseline !== null) await rename(request.live.baseline, kept.baseline);
    const inode = await directoryInode(kept.rootfs);
    if (inode === null) throw new Error(`${kept.rootfs} is not a directory`);
    const parkedAt = new Date().toISOString();
    await writeJsonDurably(kept.record, { ...record, inode, parkedAt, bootId: await readBootId() });
    await syncDirectory(paths.parkedRoot);
    syncInBackground(kept);
    return how;
  });
}

/**
 * A parked tree lies in the page cache at first: after a power cut its files may be empty. Waiting for the disk would
 * take longer than the rename that parking is, so a process that outlives us does it and leaves a mark.
 */
function syncInBackground(kept: KeptPaths): void {
  const script = 'sync -f "$1" && touch "$2" && sync -f "$2"';
  const child = spawn('sh', ['-c', script, 'sh', kept.rootfs, kept.synced], {
    detached: true,
    stdio: 'ignore',
    env: clearedEnvironment(),
  });
  child.on('error', (error) => trace('cannot start sync: %s', error.message));
  child.unref();
}

/** What became of what was kept: nothing there, taken, or refused with the reason. */
export type TakeResult =
  | { readonly how: 'nothing-kept' }
  | { readonly how: MoveKind; readonly record: KeptRecord }
  | { readonly how: 'set-aside'; readonly reason: string };

/**
 * Makes what is parked under a hash the container at `container`. Whatever is wrong with it, it is set aside and the
 * reason returned, so the build can start clean.
 */
export async function takeBack(
  paths: StorePaths,
  hash: ProjectHash,
  to: { readonly container: string; readonly live: LivePaths },
): Promise<TakeResult> {
  const kept = paths.parked(hash);
  // Most builds were never interrupted: they don't wait for the lock.
  if (!(await fse.pathExists(kept.dir))) return { how: 'nothing-kept' };
  return withStoreLock(paths, async () => {
    if (!(await fse.pathExists(kept.dir))) return { how: 'nothing-kept' };
    try {
      const record = await readKeptRecord(kept.record);
      const reason = await reasonAgainst(paths, hash, record);
      if (reason !== null) return await refuse(paths, hash, reason);
      if (record.baseline !== null) await rename(kept.baseline, to.live.baseline);
      const how = await moveTree(kept.rootfs, to.container);
      // The tree is in use now: what is left of the place where it was can wait for the next parking.
      await fse
        .remove(kept.dir)
        .catch((error: unknown) => trace('cannot remove %s: %s', kept.dir, messageOf(error)));
      return { how, record };
    } catch (error) {
      return refuse(paths, hash, messageOf(error));
    }
  });
}

async function refuse(paths: StorePaths, hash: ProjectHash, reason: string): Promise<TakeResult> {
  await setAside(paths, hash, reason);
  return { how: 'set-aside', reason };
}

/** Why a kept tree must not be built on, or `null`. */
async function reasonAgainst(
  paths: StorePaths,
  hash: ProjectHash,
  record: KeptRecord,
): Promise<string | null> {
  const kept = paths.parked(hash);
  if (record.hash !== hash) return `its record belongs to the project hash ${record.hash}`;
  const tries = await failedTries(paths, hash);
  if (tries >= MAX_FAILED_TRIES) return `${tries} builds that were resumed under this hash have failed`;
  const map = await readIdMap();
  if (!isSameIdMap(record.idMap, map)) {
    return `it was made with other id ranges (${describeIdMap(record.idMap)}) than yours (${describeIdMap(map)})`;
  }
  if (record.bootId !== (await readBootId()) && !(await fse.pathExists(kept.synced))) {
    return 'the machine was restarted before it was known to be on the disk';
  }
  const inode = await directoryInode(kept.rootfs);
  if (inode === null) return 'its root filesystem is missing';
  if (inode !== record.inode) return 'its root filesystem is a copy, or was replaced, since it was parked';
  for (const folder of record.tmpFolders) {
    if (!folder.startsWith('/') || folder.split('/').includes('..'))
      return `${folder} is no path for a folder`;
    if ((await directoryInode(join(kept.rootfs, folder))) === null)
      return `the folder ${folder} in it is missing`;
  }
  return null;
}
