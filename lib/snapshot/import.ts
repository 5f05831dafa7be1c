import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { storePaths } from '../store/paths.js';
import { refuseWithoutRoom, WRITER_NEED } from '../store/room.js';
import { withStaging } from '../store/staging.js';
import { NO_POLICY, type Trust } from '../trust/judge.js';
import { openAssembly } from './assemble.js';
import { blobsOfExport } from './export-source.js';
import type { TransferProgress } from './export-format.js';
import { openExport } from './read-export.js';
import { takeSnapshots, type ImportedSnapshots } from './take-in.js';
import { namingIoFailures } from '../system-error.js';

export interface ImportOptions {
  /** By what the snapshots are judged. @default everything is taken */
  readonly trust?: Trust;
  readonly onProgress?: (progress: TransferProgress) => void;
}

/**
 * Takes the snapshots of an export into a store, which need not be there yet. All or nothing: every part and every blob is
 * held against its sha256, every snapshot opened, and then all come into the index in one commit, as `mergeGenerations`
 * decides. A blob that the store has, with the right size, is not copied; its content is looked at when it is used, as
 * always. A blob that a snapshot of the store lacks is brought. Once again is no change.
 *
 * Digests tell damage, not who made an export: take only those that you would build with, or judge them by a policy. What that
 * refuses stays outside, and displaces nothing.
 * @throws RbmResumeError `NO_EXPORT`, `INCOMPLETE_EXPORT`, `DAMAGED_EXPORT`, `NO_ROOM`, `STORE_BUSY`, `STORE_WRITE_FAILED`, `BAD_INDEX`,
 *   `MISSING_BLOB` when a blob of the store was removed meanwhile
 */
export function importSnapshots(
  store: string,
  dir: string,
  options: ImportOptions = {},
): Promise<ImportedSnapshots> {
  return namingIoFailures(`importing ${dir} into ${store}`, () => importExport(store, dir, options));
}

async function importExport(store: string, dir: string, options: ImportOptions): Promise<ImportedSnapshots> {
  const paths = storePaths(store);
  await refuseWithoutRoom({ dir: paths.root, what: 'the import' }, WRITER_NEED);
  const source = await openExport(dir);
  try {
    return await withStaging(paths, async (staging) => {
      const folder = join(staging.dir, 'blobs');
      await mkdir(folder);
      return takeSnapshots(paths, {
        snapshots: source.manifest.snapshots,
        absent: new Set(source.manifest.absent),
        assembly: openAssembly(blobsOfExport(source), { paths, staging, folder }),
        trust: options.trust ?? NO_POLICY,
        what: 'the import',
        onProgress: options.onProgress,
      });
    });
  } finally {
    await source.close();
  }
}
