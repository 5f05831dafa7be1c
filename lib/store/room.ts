import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { RbmResumeError, systemErrorCode } from '../errors.js';
import { traceTo } from '../trace.js';

const trace = traceTo('store');

/** What a file system has left for this user. */
export interface Room {
  readonly bytes: number;
  /** `null` where the file system makes inodes as they are needed (btrfs). */
  readonly inodes: number | null;
}

/** What somebody is about to write. */
export interface Need {
  /** Less would surely not do; with less free, nothing is begun. */
  readonly bytes: number;
  readonly inodes: number;
  /** What it may come to at most, where that is another figure. @default {@link bytes} */
  readonly atMost?: number;
  /** What is going to be removed first. @default nothing */
  readonly freed?: { readonly bytes: number; readonly inodes: number };
}

/** What anybody who writes to a store needs at least: a folder of its own, small files, the new index. */
export const WRITER_NEED: Need = { bytes: 64 * 1024, inodes: 8 };

/** What is free on the file system of `dir`, or where it is going to be made. Source: statfs(2). */
export async function readRoom(dir: string): Promise<Room> {
  try {
    const { bavail, bsize, ffree, files } = await statfs(dir);
    return { bytes: bavail * bsize, inodes: files > 0 ? ffree : null };
  } catch (error) {
    if (systemErrorCode(error) !== 'ENOENT' || dirname(dir) === dir) throw error;
    return readRoom(dirname(dir));
  }
}

/** Where something is about to be written, and what it is: `the snapshot`. */
export interface Place {
  readonly dir: string;
  readonly what: string;
}

/**
 * Runs `work`, which writes to a place, unless there is surely too little room for that. A file system that becomes full meanwhile
 * is told in the same words.
 * @throws RbmResumeError `NO_ROOM` with the fields `dir`, `bytes` and `inodes` (needed), `missing` and `missingInodes`; what `work`
 *   throws
 */
export async function withRoom<T>(to: Place, need: Need, work: () => Promise<T>): Promise<T> {
  const room = await refuseWithoutRoom(to, need);
  return tellingWhatIsMissing(to, { need, room }, work);
}

/**
 * The first half of {@link withRoom}.
 * @returns the room that there is, with what is going to be freed
 * @throws RbmResumeError `NO_ROOM`
 */
export async function refuseWithoutRoom(to: Place, need: Need): Promise<Room> {
  const { bytes, inodes } = await readRoom(to.dir);
  const { freed = { bytes: 0, inodes: 0 } } = need;
  const room = { bytes: bytes + freed.bytes, inodes: inodes === null ? null : inodes + freed.inodes };
  if (room.bytes < need.bytes || (room.inodes ?? Infinity) < need.inodes) throw noRoom(to, need, { room });
  return room;
}

/** The second half of {@link withRoom}: before `work` has tidied up, so that what is full is still seen. */
export async function tellingWhatIsMissing<T>(
  to: Place,
  known: { readonly need: Need; readonly room: Room },
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (!isOutOfRoom(cause) || (cause instanceof RbmResumeError && cause.code === 'NO_ROOM')) throw cause;
    const left = await readRoom(to.dir).catch((error: unknown) => {
      trace('cannot look at %s: %o', to.dir, error);
      return null;
    });
    // What is not full itself is not to blame: work may write to other file systems, too.
    if (left !== null && left.bytes > 1 << 20 && (left.inodes ?? Infinity) > 16) throw cause;
    throw noRoom(to, known.need, { room: known.room, left, cause });
  }
}

/** Whether the system, or a program, has met a full file system or quota. */
function isOutOfRoom(error: unknown): boolean {
  for (let at = error; at instanceof Error; at = at.cause) {
    if (['ENOSPC', 'EDQUOT'].includes(systemErrorCode(at) ?? '')) return true;
    if (/No space left on device|Disk quota exceeded/.test(at.message)) return true;
  }
  return false;
}

function noRoom(
  to: Place,
  need: Need,
  met: { readonly room: Room; readonly left?: Room | null; readonly cause?: unknown },
): RbmResumeError {
  const { room, left, cause } = met;
  const most = need.atMost ?? need.bytes;
  const isFull = cause !== undefined;
  const isShortOfInodes = isFull
    ? left?.inodes === 0
    : room.bytes >= need.bytes && (room.inodes ?? Infinity) < need.inodes;
  // What was free when it began may have been taken by others since then.
  const missing = isShortOfInodes ? 0 : Math.max(isFull ? 1 : 0, (isFull ? most : need.bytes) - room.bytes);
  const missingInodes = Math.max(isShortOfInodes ? 1 : 0, need.inodes - (room.inodes ?? Infinity));
  const [free, needed] = isShortOfInodes
    ? [`${room.inodes} inodes`, `${need.inodes}`]
    : [`${room.bytes} bytes`, `${isFull && most > need.bytes ? 'up to ' : ''}${isFull ? most : need.bytes}`];
  const short = isShortOfInodes ? `${missingInodes} inodes` : `${missing} bytes`;
  return new RbmResumeError(
    'NO_ROOM',
    `${to.dir} has too little room for ${to.what}: ${free} ${isFull ? 'were' : 'are'} free, ${to.what} needs ${needed}, ${short} are missing`,
    {
      hint: 'Nothing was changed. Make room (`rbm-resume prune`), or take another file system.',
      cause,
      fields: { dir: to.dir, bytes: need.bytes, inodes: need.inodes, missing, missingInodes },
    },
  );
}
