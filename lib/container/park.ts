import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, rename } from 'node:fs/promises';
import type { ProjectHash } from '../digest.js';
import { messageOf } from '../errors.js';
import { clearedEnvironment } from '../exec.js';
import { syncDirectory } from '../store/atomic-write.js';
import { readBootId } from '../store/live.js';
import { withHashLock, withStoreLock } from '../store/lock.js';
import { keptPathsIn, type KeptPaths, type LivePaths, type StorePaths } from '../store/paths.js';
import { readKeptRecord, workSeconds, type KeptRecord } from '../store/record.js';
import { writeSealedDurably } from '../store/sealed-json.js';
import { traceTo } from '../trace.js';
import { isTroubleOfHost } from '../system-error.js';
import {
  directoryInode,
  discardDirectory,
  moveTree,
  replaceDirectory,
  type MoveKind,
} from '../rootfs/move-tree.js';
import { rebaseline } from '../rootfs/rebaseline.js';
import { keepBase } from './hold-base.js';
import { parkingStem, tidyParked } from './parked-leftovers.js';

const trace = traceTo('park');

export interface ParkRequest {
  readonly container: string;
  readonly live: LivePaths;
  /** Where rbm still has the input files, the container image among them. */
  readonly inputsDir: string | null;
  /** Called before the tree has to be copied. */
  readonly onCopy?: (() => void) | undefined;
  /** All but what only the parking itself knows. */
  readonly record: Omit<KeptRecord, 'inode' | 'bootId' | 'parkedAt'>;
}

/** `already-kept`: a tree with more work in it is parked under this hash; the container stays where it is. */
export type ParkResult = MoveKind | 'already-kept';

/**
 * Keeps a container under its project hash: moves the tree into a folder with the record that says so, which then takes the
 * place of what was kept before. A crash leaves a folder that nobody resumes; a full disk is met before the tree is
 * moved. When it rejects, what was kept before is still there.
 */
export function park(paths: StorePaths, request: ParkRequest): Promise<ParkResult> {
  const { record } = request;
  const kept = paths.parked(record.hash);
  return underLocks(paths, record.hash, async () => {
    await tidyParked(paths, record.hash);
    if (await hasMoreWork(kept, record)) return 'already-kept';
    // What is parked already stays until all of the new one is there.
    const fresh = keptPathsIn(`${parkingStem(kept.dir)}${randomBytes(4).toString('hex')}`);
    try {
      await mkdir(fresh.dir, { recursive: true });
      const { how, parkedAt } = await fill(fresh, request);
      await replaceDirectory(fresh.dir, kept.dir);
      // It is parked; after a power cut that comes now it is not used.
      await syncDirectory(paths.parkedRoot).catch((error: unknown) =>
        trace('cannot sync %s: %s', paths.parkedRoot, messageOf(error)),
      );
      syncInBackground(kept, parkedAt);
      return how;
    } catch (error) {
      await discardDirectory(fresh.dir).catch((second: unknown) =>
        trace('cannot remove %s: %s', fresh.dir, messageOf(second)),
      );
      throw error;
    }
  });
}

/** Puts everything of a parked tree in a folder; the record gets its name when all else is there. */
async function fill(
  kept: KeptPaths,
  request: ParkRequest,
): Promise<{ readonly how: MoveKind; readonly parkedAt: string }> {
  const { record, container, live, inputsDir } = request;
  const [bootId, parkedAt] = [await readBootId(), new Date().toISOString()];
  let { baseline } = record;
  const writeRecord = async () =>
    writeSealedDurably(kept.pendingRecord, {
      ...record,
      baseline,
      bootId,
      parkedAt,
      inode: await inodeOf(container, kept),
    });
  await writeRecord();
  await keepBase({ live, inputsDir, image: record.snapshot === null ? record.image : null }, kept);
  const how = await moveTree(container, kept.rootfs, {
    onCopy: request.onCopy,
    onCopied: async () => {
      const trees = { original: container, copy: kept.rootfs };
      if (baseline !== null) baseline = await rebaseline(live.baseline, trees);
      // While the container is still there: the disk may be full now.
      await writeRecord();
    },
  });
  if (baseline !== null) await rename(live.baseline, kept.baseline);
  await rename(kept.pendingRecord, kept.record);
  await syncDirectory(kept.dir);
  return { how, parkedAt };
}

/** Runs `work` as the only one that moves what is kept under a hash. */
export const underLocks = <T>(paths: StorePaths, hash: ProjectHash, work: () => Promise<T>): Promise<T> =>
  withHashLock(paths, hash, () => withStoreLock(paths, work));

async function hasMoreWork(kept: KeptPaths, record: ParkRequest['record']): Promise<boolean> {
  const other = await readKeptRecord(kept.record).catch((error: unknown) => {
    if (isTroubleOfHost(error)) throw error;
    return null;
  });
  if (other === null || workSeconds(other) <= workSeconds(record)) return false;
  // What this class can't go on in must not be in its way for ever.
  if (other.jobClass !== record.jobClass) return false;
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
