import { RbmResumeError } from '../errors.js';
import { describeIdMap, isSameIdMap, readIdMap } from '../id-map.js';
import { directoryInode } from '../rootfs/move-tree.js';
import { readBootId, readLines } from './live.js';
import type { KeptPaths } from './paths.js';
import type { KeptRecord } from './record.js';

/**
 * Refuses a parked tree that is not, or not for sure, what was parked, seen from here.
 * @throws RbmResumeError `OTHER_ID_RANGE`, `NOT_ON_DISK`
 */
export async function checkKeptTree(kept: KeptPaths, record: KeptRecord): Promise<void> {
  const map = await readIdMap();
  if (!isSameIdMap(record.idMap, map)) {
    throw new RbmResumeError(
      'OTHER_ID_RANGE',
      `it was made with other id ranges (${describeIdMap(record.idMap)}) than yours (${describeIdMap(map)})`,
      { hint: 'Pack it as the user who built it; a snapshot can be restored by anybody.' },
    );
  }
  const synced = (await readLines(kept.synced))[0];
  if (record.bootId !== (await readBootId()) && synced !== record.parkedAt)
    throw notOnDisk('the machine was restarted before it was known to be on the disk');
  const inode = await directoryInode(kept.rootfs);
  if (inode === null) throw notOnDisk('its root filesystem is missing');
  if (inode !== record.inode)
    throw notOnDisk('its root filesystem is a copy, or was replaced, since it was parked');
}

const notOnDisk = (what: string): RbmResumeError =>
  new RbmResumeError('NOT_ON_DISK', what, { hint: 'Builds start clean; `rbm-resume remove` forgets it.' });
