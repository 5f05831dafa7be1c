import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { ProjectHash } from '../digest.js';
import { messageOf } from '../errors.js';
import { clearedEnvironment } from '../exec.js';
import { syncDirectory } from '../store/atomic-write.js';
import { failedTries, MAX_FAILED_TRIES, type LedgerClass } from '../store/ledger.js';
import { checkKeptTree } from '../store/kept-check.js';
import { readBootId } from '../store/live.js';
import { withHashLock, withStoreLock } from '../store/lock.js';
import { keptPathsIn, type KeptPaths, type LivePaths, type StorePaths } from '../store/paths.js';
import { readKeptRecord, workSeconds, type KeptRecord, type LiveRecord } from '../store/record.js';
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
import { reasonAgainstDivision, reasonAgainstInputs } from './inputs.js';
import { reasonAgainstRecord, type WantedBuild } from './record-check.js';
import { setAside } from './set-aside.js';

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
    if (await hasMoreWork(kept, record)) return 'already-kept';
    // What is parked already stays until all of the new one is there.
    const fresh = keptPathsIn(`${kept.dir}.parking-${randomBytes(4).toString('hex')}`);
    try {
      await mkdir(fresh.dir, { recursive: true });
      const { how, parkedAt } = await fill(fresh, request);
      await replaceDirectory(fresh.dir, kept.dir);
      await syncDirectory(paths.parkedRoot);
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

const underLocks = <T>(paths: StorePaths, hash: ProjectHash, work: () => Promise<T>): Promise<T> =>
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

/** What became of what was kept: nothing there, taken, refused with the reason, or left where it is. */
export type TakeResult =
  | { readonly how: 'nothing-kept' }
  | { readonly how: MoveKind; readonly record: KeptRecord }
  | { readonly how: 'set-aside'; readonly reason: string }
  /** This machine can't do it now, or it is for jobs of another class; what is kept stays as it is. */
  | { readonly how: 'left'; readonly reason: string };

/** Who wants a tree back: the build, and the place where its container has to stand. */
export type Taker = WantedBuild &
  Pick<LiveRecord, 'id' | 'container' | 'inputsDir'> & {
    readonly hash: ProjectHash;
    /** Whose tries count. @default nobody's in particular */
    readonly jobClass?: LedgerClass;
  };

/**
 * Makes what is parked under a hash the container. Whatever is wrong with it, it is set aside and the reason returned,
 * so the build can start clean. When the disk is full or fails, or a program, it is left as it was.
 */
export async function takeBack(paths: StorePaths, taker: Taker): Promise<TakeResult> {
  const { hash } = taker;
  const kept = paths.parked(hash);
  // Most builds were never interrupted: they don't wait for the lock.
  if (!existsSync(kept.dir)) return { how: 'nothing-kept' };
  return underLocks(paths, hash, async () => {
    if (!existsSync(kept.dir)) return { how: 'nothing-kept' };
    const live = paths.live(taker.id);
    try {
      const record = await readKeptRecord(kept.record);
      const otherClass = reasonAgainstClass(record, taker.jobClass ?? null);
      if (otherClass !== null) return { how: 'left', reason: otherClass };
      const reason = await reasonAgainst(paths, record, taker);
      if (reason !== null) return await refuse(paths, taker, reason);
      let { baseline } = record;
      if (baseline !== null) await rename(kept.baseline, live.baseline);
      if (existsSync(kept.base)) await rename(kept.base, live.base);
      const how = await moveTree(kept.rootfs, taker.container, {
        onCopied: async () => {
          const trees = { original: kept.rootfs, copy: taker.container };
          if (baseline !== null) baseline = await rebaseline(live.baseline, trees);
        },
      });
      // The tree is in use now: what is left of the place where it was can wait for the next parking.
      await discardDirectory(kept.dir).catch((error: unknown) =>
        trace('cannot remove %s: %s', kept.dir, messageOf(error)),
      );
      return { how, record: { ...record, baseline } };
    } catch (error) {
      if (!isTroubleOfHost(error)) return refuse(paths, taker, messageOf(error));
      await putBack(kept, live);
      return { how: 'left', reason: messageOf(error) };
    }
  });
}

/** Undoes what came before the tree itself was to be moved. */
async function putBack(kept: KeptPaths, live: LivePaths): Promise<void> {
  for (const [from, to] of [
    [live.baseline, kept.baseline],
    [live.base, kept.base],
  ] as const) {
    if (existsSync(to) || !existsSync(from)) continue;
    await rename(from, to).catch((error: unknown) => trace('cannot put %s back: %s', to, messageOf(error)));
  }
}

async function refuse(paths: StorePaths, taker: Taker, reason: string): Promise<TakeResult> {
  await setAside(paths, taker.hash, { reason, jobClass: taker.jobClass ?? null });
  return { how: 'set-aside', reason };
}

/** A parked tree is not signed, so nobody judges it: it is for jobs of the very class that parked it. */
function reasonAgainstClass({ jobClass }: KeptRecord, own: LedgerClass): string | null {
  const told = (one: LedgerClass) => (one === null ? 'of no class' : `of class ${one}`);
  return jobClass === own ? null : `it was parked by a job ${told(jobClass)}, and this one is ${told(own)}`;
}

/** Why a kept tree must not be built on, or `null`. */
async function reasonAgainst(paths: StorePaths, record: KeptRecord, taker: Taker): Promise<string | null> {
  const { hash } = taker;
  const kept = paths.parked(hash);
  if (record.hash !== hash) return `its record belongs to the project hash ${record.hash}`;
  const tries = await failedTries(paths, hash, taker.jobClass ?? null);
  if (tries >= MAX_FAILED_TRIES) return `${tries} builds that were resumed under this hash have failed`;
  const damage = await checkKeptTree(kept, record).then(
    () => null,
    (error: unknown) => {
      if (isTroubleOfHost(error)) throw error;
      return messageOf(error);
    },
  );
  if (damage !== null) return damage;
  const mismatch = reasonAgainstRecord(record, taker);
  if (mismatch !== null) return mismatch;
  for (const folder of record.tmpFolders) {
    if ((await directoryInode(join(kept.rootfs, folder))) === null)
      return `the folder ${folder} in it is missing`;
  }
  return reasonAgainstDivision(record) ?? reasonAgainstInputs(record, taker);
}
