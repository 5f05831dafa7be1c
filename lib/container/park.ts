import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { ProjectHash } from '../digest.js';
import { messageOf } from '../errors.js';
import { clearedEnvironment } from '../exec.js';
import { describeIdMap, isSameIdMap, readIdMap } from '../id-map.js';
import { syncDirectory, writeJsonDurably } from '../store/atomic-write.js';
import { failedTries, MAX_FAILED_TRIES } from '../store/ledger.js';
import { readBootId, readLines } from '../store/live.js';
import { withStoreLock } from '../store/lock.js';
import type { KeptPaths, LivePaths, StorePaths } from '../store/paths.js';
import { readKeptRecord, workSeconds, type KeptRecord, type LiveRecord } from '../store/record.js';
import { traceTo } from '../trace.js';
import { firstDifference } from '../rootfs/fingerprint.js';
import { directoryInode, discardDirectory, moveTree, type MoveKind } from '../rootfs/move-tree.js';
import { fingerprintInputs } from './inputs.js';
import { setAside } from './set-aside.js';

const trace = traceTo('park');

export interface ParkRequest {
  readonly container: string;
  readonly live: LivePaths;
  /** Called before the tree has to be copied. */
  readonly onCopy?: (() => void) | undefined;
  /** All but what only the parking itself knows. */
  readonly record: Omit<KeptRecord, 'inode' | 'bootId' | 'parkedAt'>;
}

/** `already-kept`: a tree with more work in it is parked under this hash; the container stays where it is. */
export type ParkResult = MoveKind | 'already-kept';

/**
 * Keeps a container under its project hash: moves the tree aside, then puts the record in place that says so. A crash
 * between the two leaves a tree without a record, which nobody resumes; a full disk is met before the tree is moved.
 */
export function park(paths: StorePaths, request: ParkRequest): Promise<ParkResult> {
  const { record, container } = request;
  const kept = paths.parked(record.hash);
  return withStoreLock(paths, async () => {
    if (await hasMoreWork(kept, record)) return 'already-kept';
    await discardDirectory(kept.dir);
    await mkdir(kept.dir, { recursive: true });
    const [bootId, parkedAt] = [await readBootId(), new Date().toISOString()];
    const complete = async () => ({ ...record, bootId, parkedAt, inode: await inodeOf(container, kept) });
    await writeJsonDurably(kept.pendingRecord, await complete());
    const how = await moveTree(container, kept.rootfs, { onCopy: request.onCopy });
    if (how === 'copy') await writeJsonDurably(kept.pendingRecord, await complete());
    if (record.baseline !== null) await rename(request.live.baseline, kept.baseline);
    await rename(kept.pendingRecord, kept.record);
    await syncDirectory(kept.dir);
    await syncDirectory(paths.parkedRoot);
    syncInBackground(kept, parkedAt);
    return how;
  });
}

async function hasMoreWork(kept: KeptPaths, record: ParkRequest['record']): Promise<boolean> {
  const other = await readKeptRecord(kept.record).catch(() => null);
  if (other === null || workSeconds(other) <= workSeconds(record)) return false;
  return (await directoryInode(kept.rootfs)) !== null;
}

async function inodeOf(container: string, kept: KeptPaths): Promise<string> {
  const inode = (await directoryInode(kept.rootfs)) ?? (await directoryInode(container));
  if (inode === null) throw new Error(`${container} is not a directory`);
  return inode;
}

/**
 * A parked tree lies in the page cache at first: after a power cut its files may be empty. Waiting for the disk would
 * take longer than the rename that parking is, so a process that outlives us does it and leaves a mark.
 */
function syncInBackground(kept: KeptPaths, parkedAt: string): void {
  // The mark names the parking: another tree may lie there by the time that the disk is done.
  const script = 'sync -f "$1" && echo "$3" > "$2" && sync -f "$2"';
  const child = spawn('sh', ['-c', script, 'sh', kept.rootfs, kept.synced, parkedAt], {
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

/** Who wants a tree back: the build, and the place where its container has to stand. */
export type Taker = Pick<LiveRecord, 'id' | 'container' | 'inputsDir' | 'project' | 'version' | 'step'> & {
  readonly hash: ProjectHash;
};

/**
 * Makes what is parked under a hash the container. Whatever is wrong with it, it is set aside and the reason returned,
 * so the build can start clean.
 */
export async function takeBack(paths: StorePaths, taker: Taker): Promise<TakeResult> {
  const { hash } = taker;
  const kept = paths.parked(hash);
  // Most builds were never interrupted: they don't wait for the lock.
  if (!existsSync(kept.dir)) return { how: 'nothing-kept' };
  return withStoreLock(paths, async () => {
    if (!existsSync(kept.dir)) return { how: 'nothing-kept' };
    try {
      const record = await readKeptRecord(kept.record);
      const reason = await reasonAgainst(paths, record, taker);
      if (reason !== null) return await refuse(paths, hash, reason);
      if (record.baseline !== null) await rename(kept.baseline, paths.live(taker.id).baseline);
      const how = await moveTree(kept.rootfs, taker.container);
      // The tree is in use now: what is left of the place where it was can wait for the next parking.
      await discardDirectory(kept.dir).catch((error: unknown) =>
        trace('cannot remove %s: %s', kept.dir, messageOf(error)),
      );
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
async function reasonAgainst(paths: StorePaths, record: KeptRecord, taker: Taker): Promise<string | null> {
  const { hash } = taker;
  const kept = paths.parked(hash);
  if (record.hash !== hash) return `its record belongs to the project hash ${record.hash}`;
  const tries = await failedTries(paths, hash);
  if (tries >= MAX_FAILED_TRIES) return `${tries} builds that were resumed under this hash have failed`;
  const map = await readIdMap();
  if (!isSameIdMap(record.idMap, map)) {
    return `it was made with other id ranges (${describeIdMap(record.idMap)}) than yours (${describeIdMap(map)})`;
  }
  const synced = (await readLines(kept.synced))[0];
  if (record.bootId !== (await readBootId()) && synced !== record.parkedAt) {
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
  return reasonAgainstInputs(record, taker);
}

/** The hash has a dependency by its file name, as rbm does; the content is compared here, where it is at hand. */
async function reasonAgainstInputs(record: KeptRecord, taker: Taker): Promise<string | null> {
  if (record.inputs === null || taker.inputsDir === null) {
    return record.inputs === taker.inputsDir ? null : 'it is not known of which input files it was made';
  }
  const different = firstDifference(record.inputs, await fingerprintInputs(taker.inputsDir, taker));
  return different === null ? null : `the input file ${different} has another content than when it was made`;
}
