import { rename, rm } from 'node:fs/promises';
import { RbmResumeError, systemErrorCode } from '../errors.js';
import { exportSnapshots, type ExportedSnapshots, type ExportOptions } from '../snapshot/export.js';
import { syncDirectory } from '../store/atomic-write.js';
import { namingIoFailures } from '../system-error.js';
import { legPaths } from './leg.js';

/**
 * Exports what the next leg takes over. What the leg before has left stays until the new export is whole: where a job is killed
 * meanwhile, `takeOver` finds the old one or the new one. Only where there is no room for both the old one goes first.
 * @throws RbmResumeError as `exportSnapshots`
 */
export async function leaveExport(
  store: string,
  dir: string,
  options: Omit<ExportOptions, 'names'>,
): Promise<ExportedSnapshots> {
  const { snapshots, next } = legPaths(dir);
  try {
    const exported = await exportSnapshots(store, next, options);
    await namingIoFailures(`putting ${next} in its place`, () => replaceBy(dir));
    return { ...exported, dir: snapshots };
  } catch (error) {
    if (!(error instanceof RbmResumeError) || error.code !== 'NO_ROOM') throw error;
    await rm(next, { recursive: true, force: true });
    return exportSnapshots(store, snapshots, options);
  }
}

async function replaceBy(dir: string): Promise<void> {
  const { snapshots, next, last } = legPaths(dir);
  await rm(last, { recursive: true, force: true });
  await rename(snapshots, last).catch((error: unknown) => {
    if (systemErrorCode(error) !== 'ENOENT') throw error;
  });
  await rename(next, snapshots);
  await syncDirectory(dir);
  await rm(last, { recursive: true, force: true });
}
