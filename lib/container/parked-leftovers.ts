import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { ProjectHash } from '../digest.js';
import { messageOf } from '../errors.js';
import { directoryInode, removeTree } from '../rootfs/move-tree.js';
import { namesIn } from '../store/live.js';
import { keptPathsIn, type KeptPaths, type StorePaths } from '../store/paths.js';
import { readKeptRecord } from '../store/record.js';
import { isTroubleOfHost } from '../system-error.js';
import { traceTo } from '../trace.js';

const trace = traceTo('park');

/** A tree that is being parked has this name, and something random, until it gets its place at `dir`. */
export const parkingStem = (dir: string): string => `${dir}.parking-`;

/** What a process that was killed in the middle of a parking has left beside the place for it: `HASH.parking-…`, `.removing-…`. */
const leftoversOf = async (paths: StorePaths, hash: ProjectHash): Promise<string[]> =>
  (await namesIn(paths.parkedRoot))
    .filter((name) => name.startsWith(`${hash}.`))
    .map((name) => join(paths.parkedRoot, name));

export const hasLeftovers = async (paths: StorePaths, hash: ProjectHash): Promise<boolean> =>
  (await leftoversOf(paths, hash)).length > 0;

/**
 * Gives a tree its place that was parked whole but for its name, and removes the rest. To be called under the locks of the
 * hash and the store: nobody is at work on these.
 */
export async function tidyParked(paths: StorePaths, hash: ProjectHash): Promise<void> {
  const { dir } = paths.parked(hash);
  for (const path of await leftoversOf(paths, hash)) {
    const isUnplaced = path.startsWith(parkingStem(dir)) && (await directoryInode(dir)) === null;
    if (isUnplaced && (await isWholeParking(keptPathsIn(path)))) {
      await rename(path, dir);
      continue;
    }
    await removeTree(path).catch((error: unknown) => trace('cannot remove %s: %s', path, messageOf(error)));
  }
}

/** Whether all of a parked tree is there: the record gets its name last. While the disk fails nobody knows, so it counts as whole. */
export const isWholeParking = async (kept: KeptPaths): Promise<boolean> =>
  (await directoryInode(kept.rootfs)) !== null &&
  readKeptRecord(kept.record).then(
    () => true,
    (error: unknown) => isTroubleOfHost(error),
  );
