import { existsSync } from 'node:fs';
import { appendFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { ProjectHash } from '../digest.js';
import { messageOf } from '../errors.js';
import {
  directoryInode,
  discardDirectory,
  moveTree,
  removeTree,
  type MoveKind,
} from '../rootfs/move-tree.js';
import { rebaseline } from '../rootfs/rebaseline.js';
import { checkKeptTree } from '../store/kept-check.js';
import { failedTries, MAX_FAILED_TRIES, tellClass, type LedgerClass } from '../store/ledger.js';
import { readLines } from '../store/live.js';
import type { KeptPaths, LivePaths, StorePaths } from '../store/paths.js';
import { readKeptRecord, type KeptRecord, type LiveRecord } from '../store/record.js';
import { refuseWithoutRoom, type Need } from '../store/room.js';
import { isTroubleOfHost, isWantOfRoom } from '../system-error.js';
import { traceTo } from '../trace.js';
import { reasonAgainstDivision, reasonAgainstInputs } from './inputs.js';
import { underLocks } from './park.js';
import { hasLeftovers, tidyParked } from './parked-leftovers.js';
import { reasonAgainstRecord, type WantedBuild } from './record-check.js';
import { setAside } from './set-aside.js';

const trace = traceTo('park');

/** What any build needs to go on: its scripts, the folders that rbm makes for it, and some output. */
const GOING_ON_NEED: Need = { bytes: 1 << 20, inodes: 64 };

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
 * so the build can start clean. When the disk is full or fails, or a program, it is left as it was; when something other
 * than want of room has been in the way twice, it is set aside as well.
 */
export async function takeBack(paths: StorePaths, taker: Taker): Promise<TakeResult> {
  const { hash } = taker;
  const kept = paths.parked(hash);
  // Most builds were never interrupted: they don't wait for the lock.
  if (!existsSync(kept.dir) && !(await hasLeftovers(paths, hash))) return { how: 'nothing-kept' };
  return underLocks(paths, hash, async () => {
    await tidyParked(paths, hash);
    if (!existsSync(kept.dir)) return { how: 'nothing-kept' };
    const live = paths.live(taker.id);
    try {
      // On a full disk the build can't go on: it would fail after its first step, and what it had done would be lost.
      await refuseWithoutRoom({ dir: taker.container, what: 'the build' }, GOING_ON_NEED);
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
      await removeCopy(kept, taker.container);
      if (!isTroubleOfHost(error) || (await isTroubleAgain(kept, error)))
        return refuse(paths, taker, messageOf(error));
      await putBack(kept, live);
      return { how: 'left', reason: messageOf(error) };
    }
  });
}

/**
 * Whether the same tree has met trouble so often that it may be its own: a file that can't be read, say. Want of room is never
 * counted, as it says nothing of the tree, however long it lasts.
 */
async function isTroubleAgain(kept: KeptPaths, error: unknown): Promise<boolean> {
  if (isWantOfRoom(error)) return false;
  try {
    await appendFile(kept.troubles, `${messageOf(error).replaceAll('\n', ' ')}\n`);
    return (await readLines(kept.troubles)).length >= MAX_FAILED_TRIES;
  } catch (second) {
    trace('cannot write %s: %s', kept.troubles, messageOf(second));
    return false;
  }
}

const tellUndone = (path: string) => (error: unknown) => trace('cannot undo %s: %s', path, messageOf(error));

/** A tree that was copied lies where it was, too; a build that starts clean needs the place of the copy. */
async function removeCopy(kept: KeptPaths, container: string): Promise<void> {
  if (!existsSync(kept.rootfs)) return;
  for (const path of [container, `${container}.partial`])
    if ((await directoryInode(path).catch(() => null)) !== null)
      await removeTree(path).catch(tellUndone(path));
}

/** Undoes what came before the tree itself was to be moved. */
async function putBack(kept: KeptPaths, live: LivePaths): Promise<void> {
  for (const [from, to] of [
    [live.baseline, kept.baseline],
    [live.base, kept.base],
  ] as const) {
    if (existsSync(to) || !existsSync(from)) continue;
    await rename(from, to).catch(tellUndone(to));
  }
}

async function refuse(paths: StorePaths, taker: Taker, reason: string): Promise<TakeResult> {
  await setAside(paths, taker.hash, { reason, jobClass: taker.jobClass ?? null });
  return { how: 'set-aside', reason };
}

/** A parked tree is not signed, so nobody judges it: it is for jobs of the very class that parked it. */
function reasonAgainstClass({ jobClass }: KeptRecord, own: LedgerClass): string | null {
  if (jobClass === own) return null;
  return `it was parked by a job ${tellClass(jobClass)}, and this one is ${tellClass(own)}`;
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
