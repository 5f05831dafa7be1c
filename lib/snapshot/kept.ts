import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isProjectHash, type ProjectHash } from '../digest.js';
import { messageOf, RbmResumeError, systemErrorCode } from '../errors.js';
import { execInIdMap } from '../id-map.js';
import { readPlainFile } from '../plain-file.js';
import { copyTree, discardDirectory } from '../rootfs/move-tree.js';
import { allFailedTries, forgetInAllLedgers } from '../store/ledger.js';
import { namesIn } from '../store/live.js';
import { withStoreLock } from '../store/lock.js';
import { keptPathsIn, storePaths, type KeptPaths } from '../store/paths.js';
import { readKeptRecord, type KeptRecord } from '../store/record.js';
import { namingIoFailures } from '../system-error.js';

const MAX_REASON_BYTES = 64 << 10;

/** A root filesystem that is kept under a project hash, or was set aside. */
export interface Kept {
  readonly hash: ProjectHash;
  /** `parked`: the next build of this hash goes on in it. `set-aside`: nobody uses it; `prune` removes it. */
  readonly state: 'parked' | 'set-aside';
  /** Where its tree lies on this machine. Its files belong to ids of the container's range. */
  readonly rootfs: string;
  /** `null` when it can't be read; {@link trouble} says why. */
  readonly record: KeptRecord | null;
  /** Why it was set aside, or what is wrong with its record. */
  readonly trouble: string | null;
  /** Builds that went on under this hash and failed. */
  readonly failedTries: number;
}

/** The size of a kept tree on the disk. */
export interface KeptSize {
  readonly bytes: number;
  readonly entries: number;
}

/** All that the store at `store` keeps, sorted by hash, what is parked first. */
export function listKept(store: string): Promise<Kept[]> {
  return namingIoFailures(`listing what ${store} keeps`, () => readAllKept(store));
}

async function readAllKept(store: string): Promise<Kept[]> {
  const paths = storePaths(store);
  const read = async (root: string, state: Kept['state']): Promise<Kept[]> => {
    const hashes = (await namesIn(root)).filter(isProjectHash);
    return Promise.all(hashes.map((hash) => readKept(keptPathsIn(join(root, hash)), { hash, state, store })));
  };
  return [...(await read(paths.parkedRoot, 'parked')), ...(await read(paths.setAsideRoot, 'set-aside'))];
}

async function readKept(
  kept: KeptPaths,
  is: { readonly hash: ProjectHash; readonly state: Kept['state']; readonly store: string },
): Promise<Kept> {
  let record: KeptRecord | null = null;
  let trouble: string | null = null;
  try {
    record = await readKeptRecord(kept.record);
  } catch (error) {
    trouble = messageOf(error);
  }
  const reason =
    is.state === 'set-aside' ? await readPlainFile(join(kept.dir, 'reason'), MAX_REASON_BYTES) : null;
  if (reason !== null) trouble = reason.toString().trim();
  const tries = await allFailedTries(storePaths(is.store), is.hash);
  return { hash: is.hash, state: is.state, rootfs: kept.rootfs, record, trouble, failedTries: tries };
}

/**
 * The one parked root filesystem whose hash begins with `prefix`.
 * @throws RbmResumeError `NOT_KEPT`, `AMBIGUOUS_HASH`
 */
export async function inspectKept(store: string, prefix: string): Promise<Kept> {
  const found = (await listKept(store)).filter(
    ({ hash, state }) => state === 'parked' && hash.startsWith(prefix),
  );
  const [one, ...others] = found;
  if (one === undefined || prefix === '') {
    throw new RbmResumeError(
      'NOT_KEPT',
      `nothing is kept under a project hash that begins with "${prefix}"`,
      {
        hint: '`rbm-resume list` prints what is kept.',
        fields: { store },
      },
    );
  }
  if (others.length > 0) {
    throw new RbmResumeError('AMBIGUOUS_HASH', `${found.length} project hashes begin with "${prefix}"`, {
      hint: `Give more digits: ${found.map(({ hash }) => hash.slice(0, prefix.length + 8)).join(', ')}`,
    });
  }
  return one;
}

/** Measures a kept tree with du(1) inside the id map; takes about a second for 300,000 entries. */
export async function sizeOfKept(kept: Kept): Promise<KeptSize> {
  const count = async (flags: readonly string[]) => {
    const { stdout } = await execInIdMap(['du', '-sx', ...flags, '--', kept.rootfs]);
    return Number(stdout.toString().split('\t')[0]);
  };
  const [bytes, entries] = await Promise.all([count(['--block-size=1']), count(['--inodes'])]);
  return { bytes, entries };
}

/**
 * Removes what is parked under a hash, and forgets its failed tries.
 * @throws RbmResumeError `NOT_KEPT`, `AMBIGUOUS_HASH`
 */
export function removeKept(store: string, prefix: string): Promise<Kept> {
  return namingIoFailures(`removing ${prefix}`, () => removeParked(store, prefix));
}

async function removeParked(store: string, prefix: string): Promise<Kept> {
  const kept = await inspectKept(store, prefix);
  const paths = storePaths(store);
  await withStoreLock(paths, async () => {
    await discardDirectory(paths.parked(kept.hash).dir);
    await forgetInAllLedgers(paths, kept.hash);
  });
  return kept;
}

/**
 * Copies what is parked under a hash to `dir`, with everything that GNU tar keeps; the files belong to the container's
 * ids there, as in the store. What is kept stays as it is.
 * @throws RbmResumeError `NOT_KEPT`, `AMBIGUOUS_HASH`, `DIRECTORY_NOT_EMPTY`
 */
export function restoreKept(store: string, prefix: string, dir: string): Promise<Kept> {
  return namingIoFailures(`restoring ${prefix} to ${dir}`, () => copyParked(store, prefix, dir));
}

async function copyParked(store: string, prefix: string, dir: string): Promise<Kept> {
  if ((await entriesOf(dir)).length > 0) {
    throw new RbmResumeError('DIRECTORY_NOT_EMPTY', `${dir} is not an empty directory`, {
      hint: 'Name a directory that does not exist yet.',
    });
  }
  const kept = await inspectKept(store, prefix);
  // Under the lock, so that no build takes the tree away in the middle.
  await withStoreLock(storePaths(store), () => copyTree(kept.rootfs, dir));
  return kept;
}

async function entriesOf(dir: string): Promise<string[]> {
  try {
    return await readdir(dir);
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return [];
    if (systemErrorCode(error) === 'ENOTDIR') return ['.'];
    throw error;
  }
}
