import { existsSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import type { ProjectHash } from '../digest.js';
import { RbmResumeError } from '../errors.js';
import { summarizeListing } from '../rootfs/baseline.js';
import { tellClass } from '../store/ledger.js';
import { withHashLock } from '../store/lock.js';
import { checkKeptTree } from '../store/kept-check.js';
import { storePaths, type KeptPaths, type StorePaths } from '../store/paths.js';
import { readKeptRecord, type KeptRecord, type SnapshotRecord } from '../store/record.js';
import { writeSealedDurably } from '../store/sealed-json.js';
import { isDefect } from './defect.js';
import { listSnapshots } from './open-store.js';
import { saveSnapshot, type SavedSnapshot, type SaveOptions } from './save.js';
import { Snapshot, type SnapshotEntry } from './snapshot.js';
import { namingIoFailures } from '../system-error.js';

export type PackOptions = Pick<
  SaveOptions,
  'compression' | 'withoutBase' | 'signing' | 'trust' | 'onProgress'
>;

export type PackResult =
  | ({ readonly how: 'packed'; readonly hadParent: boolean } & SavedSnapshot)
  /** Nothing has been built since it was packed last. */
  | { readonly how: 'already-packed'; readonly snapshot: Snapshot };

/**
 * Makes a snapshot of what is parked under a hash: what changed since it was packed or restored last, or since the container
 * was made. The parked tree stays, and a build on this machine still goes on in it; builds of this hash wait meanwhile.
 * @throws RbmResumeError `NOT_KEPT`, `BAD_RECORD`, `OTHER_ID_RANGE`, `NOT_ON_DISK`, `OTHER_CLASS`, and as `saveSnapshot`
 */
export function packKept(store: string, hash: ProjectHash, options: PackOptions = {}): Promise<PackResult> {
  return namingIoFailures(`packing ${hash}`, () => packParked(store, hash, options));
}

function packParked(store: string, hash: ProjectHash, options: PackOptions): Promise<PackResult> {
  const paths = storePaths(store);
  return withHashLock(paths, hash, async () => {
    const kept = paths.parked(hash);
    if (!existsSync(kept.dir)) {
      throw new RbmResumeError('NOT_KEPT', `nothing is parked under ${hash}`, {
        hint: '`rbm-resume list` prints what is kept.',
      });
    }
    const record = await readKeptRecord(kept.record);
    await checkKeptTree(kept, record);
    if (options.signing !== undefined) refuseOtherClass(record, options.signing.jobClass);
    const entries = await listSnapshots(paths, record.hash);
    const packed = await findPacked(paths, entries, record);
    if (packed !== null) return { how: 'already-packed', snapshot: packed };
    const parent = await findParent(paths, entries, record);
    if (parent !== null && parent.record.legs.length === record.legs.length)
      return { how: 'already-packed', snapshot: parent };
    const listingTo = `${kept.baseline}.new`;
    const save = async (below: Snapshot | null) =>
      saveSnapshot(store, {
        ...options,
        rootfs: kept.rootfs,
        record: portable(record),
        base: existsSync(kept.base) ? kept.base : null,
        ...(record.image === null ? {} : { baseName: record.image.name }),
        baseline: record.snapshot !== null && below === null ? null : await trustedBaseline(kept, record),
        parent: below?.digest ?? null,
        listingTo,
      });
    let hadParent = parent !== null;
    const saved = await save(parent).catch((error: unknown) => {
      if (!hadParent || !isDefect(error)) throw error;
      // What it was to be packed on is damaged, or too much together with it.
      hadParent = false;
      return save(null);
    });
    await rename(listingTo, kept.baseline);
    const { digest, generation } = saved.snapshot;
    await writeSealedDurably(kept.record, {
      ...record,
      baseline: saved.listing,
      snapshot: { digest, generation },
      signer:
        options.signing === undefined
          ? null
          : { class: options.signing.jobClass, keyId: options.signing.key.keyId },
    } satisfies KeptRecord);
    return { how: 'packed', hadParent, ...saved };
  });
}

/** A signature says of which class the job was that made it. */
function refuseOtherClass({ hash, jobClass }: KeptRecord, signedClass: string): void {
  if (jobClass === signedClass) return;
  throw new RbmResumeError(
    'OTHER_CLASS',
    `what is parked under ${hash} was made by a job ${tellClass(jobClass)}, and can't be signed as the work of class ${signedClass}`,
    {
      hint: 'Build with the same class that signs: `rbm-resume run --class`, or `var/resume_class`.',
      fields: { hash, jobClass, signedClass },
    },
  );
}

/** The snapshot of this very parking: somebody was killed after its commit, before the parked tree's record knew of it. */
async function findPacked(
  paths: StorePaths,
  entries: readonly SnapshotEntry[],
  record: KeptRecord,
): Promise<Snapshot | null> {
  const newest = entries.at(-1);
  if (newest === undefined) return null;
  try {
    const snapshot = await Snapshot.open(paths, newest);
    const { parkedAt, legs } = snapshot.record;
    return parkedAt === record.parkedAt && isDeepStrictEqual(legs, record.legs) ? snapshot : null;
  } catch (error) {
    // One that can't be used is no reason not to make another.
    if (error instanceof RbmResumeError) return null;
    throw error;
  }
}

async function findParent(
  paths: StorePaths,
  entries: readonly SnapshotEntry[],
  record: KeptRecord,
): Promise<Snapshot | null> {
  const entry = entries.find(({ digest }) => digest === record.snapshot?.digest);
  if (entry === undefined) return null;
  try {
    return await Snapshot.open(paths, entry);
  } catch (error) {
    // Then everything is packed, as where it is gone.
    if (isDefect(error)) return null;
    throw error;
  }
}

/** A baseline that is not the one that was written says nothing: then everything is packed. */
async function trustedBaseline(kept: KeptPaths, { baseline }: KeptRecord): Promise<string | null> {
  if (baseline === null || !existsSync(kept.baseline)) return null;
  const found = await summarizeListing(kept.baseline);
  return found.xxh64 === baseline.xxh64 && found.bytes === baseline.bytes ? kept.baseline : null;
}

/** What of a parked tree's record holds on other machines, too. */
function portable(record: KeptRecord): SnapshotRecord {
  const { workspace, idMap, container, bootId, inode, jobClass, signer, baseline, image, snapshot, ...rest } =
    record;
  void [workspace, idMap, container, bootId, inode, jobClass, signer, baseline, image, snapshot];
  return rest;
}
