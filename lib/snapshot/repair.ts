import { mkdir } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import { RbmResumeError } from '../errors.js';
import { syncDirectory, writeFileDurably, writeJsonDurably } from '../store/atomic-write.js';
import { hasBlob, openBlob } from '../store/blobs.js';
import { readIndexRemains } from '../store/damaged-index.js';
import { OCI_LAYOUT } from '../store/image-index.js';
import { withStoreLock } from '../store/lock.js';
import { storePaths, type StorePaths } from '../store/paths.js';
import { namingWriteFailures } from '../store/write-failure.js';
import { namingIoFailures } from '../system-error.js';
import { writeQuarantineNote } from './drop.js';
import { Examination } from './find-images.js';
import { blobsOf, planRebuild, type RebuildPlan } from './rebuild-index.js';
import type { SnapshotProgress } from './progress.js';

/** What a repair did. */
export interface RepairResult {
  /** What was wrong with the index; nothing where it needed no rebuilding. */
  readonly flaws: readonly string[];
  /** Where the files are that were replaced. */
  readonly savedAs: readonly string[];
  /** Snapshots that the index has again, `HASH@GENERATION`. */
  readonly added: readonly string[];
  /** Snapshots that were taken out of use, and why. */
  readonly quarantined: readonly { readonly snapshot: string; readonly reason: string }[];
}

/** So often a plan is made anew since others have changed the index meanwhile. */
const ATTEMPTS = 5;

/**
 * Rebuilds an index that is damaged, cut off, missing or contradicts its manifests from the blobs, and takes snapshots that
 * are defective out of use. Every blob of every snapshot is read through, without a lock; then, under it, the index is
 * replaced if it is still the one that was read. What is replaced stays beside, as `index.json.damaged-TIME`. No blob is
 * changed or removed. A sound store stays as it is.
 * @throws RbmResumeError `STORE_BUSY`, `STORE_WRITE_FAILED`, `IO_FAILED`
 */
export function repairStore(
  store: string,
  options: { readonly onProgress?: (progress: SnapshotProgress) => void } = {},
): Promise<RepairResult> {
  const paths = storePaths(store);
  return namingIoFailures(`repairing ${store}`, async () => {
    let bytes = 0;
    const examination = new Examination(paths, (more) =>
      options.onProgress?.({ what: 'verifying', bytes: (bytes += more), entries: 0, totalBytes: null }),
    );
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const plan = await planRebuild(paths, examination);
      const result = await namingWriteFailures(paths.root, () => carryOut(paths, plan));
      if (result !== null) return result;
    }
    throw new RbmResumeError('STORE_BUSY', `others change the index of ${store} all the time`, {
      hint: 'Repair it when no build runs.',
    });
  });
}

/** `null` when the store is no longer as it was when the plan was made. */
async function carryOut(paths: StorePaths, plan: RebuildPlan): Promise<RepairResult | null> {
  const { flaws, added, damaged, remains } = plan;
  const { problem, layoutProblem, fields, entries } = remains;
  const isReadable = problem === null && layoutProblem === null;
  // Also where something is wrong with what is somebody else's, which nobody here can put right.
  if (damaged.length === 0 && isReadable && isDeepStrictEqual({ ...fields, manifests: entries }, plan.index))
    return { flaws: [], savedAs: [], added: [], quarantined: [] };
  return withStoreLock(paths, async () => {
    if (!(await isStillSo(paths, plan))) return null;
    for (const { entry, reason } of damaged) await writeQuarantineNote(paths, entry, reason);
    const stamp = new Date().toISOString().replace(/[:.]/g, '-');
    const savedAs: string[] = [];
    const save = async (file: string, bytes: Buffer | null) => {
      if (bytes === null) return;
      savedAs.push(`${file}.damaged-${stamp}`);
      await writeFileDurably(`${file}.damaged-${stamp}`, bytes);
    };
    if (flaws.length > 0) await save(paths.index, remains.index);
    if (layoutProblem !== null) {
      await save(paths.ociLayout, remains.layout);
      await writeFileDurably(paths.ociLayout, OCI_LAYOUT);
    }
    await mkdir(paths.blobs, { recursive: true });
    await syncDirectory(paths.blobs);
    await writeJsonDurably(paths.index, plan.index);
    return {
      flaws,
      savedAs,
      added: added.map(({ hash, generation }) => `${hash}@${generation}`),
      quarantined: damaged.map(({ entry, reason }) => ({
        snapshot: `${entry.hash}@${entry.generation}`,
        reason,
      })),
    };
  });
}

/** An index that could be read may have been changed, and garbage collected, since. What comes in is made durable. */
async function isStillSo(paths: StorePaths, { remains, ...plan }: RebuildPlan): Promise<boolean> {
  const now = await readIndexRemains(paths);
  const isSame = (a: Buffer | null, b: Buffer | null) => (a === null || b === null ? a === b : a.equals(b));
  if (!isSame(now.index, remains.index) || !isSame(now.layout, remains.layout)) return false;
  for (const { all, optional } of blobsOf({ remains, ...plan })) {
    for (const name of all) {
      if (!(await hasBlob(paths, name))) {
        if (optional.has(name.digest)) continue;
        return false;
      }
      const blob = await openBlob(paths, name);
      await blob.handle.sync().finally(() => blob.close());
    }
  }
  return true;
}
