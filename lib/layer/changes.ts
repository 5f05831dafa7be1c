import xxhash from 'xxhash-wasm';
import { RbmResumeError } from '../errors.js';
import { isSameEntry, parentOf, shownPath, sizeOf, typeOf, type Entry } from '../rootfs/entry.js';
import type { ScannedTree } from '../rootfs/scan.js';
import { groupHardLinks, isLeftOut, type LayeredTree } from './merge.js';

/** What a layer has to hold to make one tree of another. */
export interface Changes {
  /** Paths to archive, in byte order, so a directory comes before what is in it. */
  readonly paths: readonly string[];
  /** Paths to hide, in byte order; what is below them is hidden with them. */
  readonly removed: readonly string[];
  /** What a snapshot can't keep. */
  readonly leftOut: { readonly sockets: number; readonly devices: number };
  /** Of what has changed, the plain files that may be copies of another: those of the size that was asked for. */
  readonly candidates: readonly Entry[];
  /** The sizes of what has changed together: holes, and all names of a file, counted in full. */
  readonly bytes: number;
  /** Entries of the whole tree that are kept. */
  readonly entries: number;
}

/**
 * Finds what has changed between what layers make and a scanned tree. An entry is left to the lower layers only where
 * they have it just so *and* the baseline has the very same record of it, ctime and inode included: neither can be set
 * back, so content has not changed either. All names of a file go into one layer, and so do the directories above what
 * is in it, for their times.
 * @param options.baseline the records of the tree when it was what {@link options.lower} makes; `null`: nothing is known
 *   of the content, so every entry counts as changed
 * @param options.candidateBytes the size of the files that are to be told in `candidates`
 */
export async function findChanges(
  scan: ScannedTree,
  options: {
    readonly lower: LayeredTree;
    readonly baseline: ReadonlySet<bigint> | null;
    readonly candidateBytes?: number | null;
  },
): Promise<Changes> {
  const { lower, baseline } = options;
  const hasher = await xxhash();
  const leftOut = { sockets: 0, devices: 0 };
  const changed = new Set<string>();
  const missing = new Set(lower.keys());
  const replaced = new Set<string>();
  const candidates: Entry[] = [];
  let [entries, bytes] = [0, 0];
  const compare = ({ record, ...entry }: Entry & { readonly record: Buffer }): void => {
    if (isLeftOut(entry)) {
      leftOut[typeOf(entry) === 's' ? 'sockets' : 'devices'] += 1;
      return;
    }
    entries += 1;
    refuseReservedName(entry.path);
    const before = lower.get(entry.path);
    missing.delete(entry.path);
    const isUntouched = baseline?.has(hasher.h64Raw(record)) ?? false;
    if (!isUntouched || before === undefined || !isSameEntry(entry, before)) {
      changed.add(entry.path);
      if (typeOf(entry) === 'f') bytes += sizeOf(entry);
      if (typeOf(entry) === 'f' && sizeOf(entry) === options.candidateBytes) candidates.push(entry);
    }
    if (before !== undefined && typeOf(before) === 'd' && typeOf(entry) !== 'd') replaced.add(entry.path);
  };
  for await (const batch of scan.batches()) batch.forEach(compare);
  addWholeGroups(changed, missing, [[...scan.hardLinks.values()], [...groupHardLinks(lower).values()]]);
  const removed = [...missing].filter(
    (path) => !missing.has(parentOf(path)) && !replaced.has(parentOf(path)),
  );
  for (const path of [...changed, ...removed]) addParents(path, changed);
  return { paths: [...changed].sort(), removed: removed.sort(), leftOut, candidates, bytes, entries };
}

/** @throws RbmResumeError `UNKEEPABLE_NAME`: in an OCI layer such a name hides another */
function refuseReservedName(path: string): void {
  if (!path.slice(path.lastIndexOf('/') + 1).startsWith('.wh.')) return;
  throw new RbmResumeError('UNKEEPABLE_NAME', `${shownPath(path)} can't be kept in a snapshot`, {
    hint: 'Names that begin with `.wh.` mean a removed file in an OCI image; the build has to use another one.',
    fields: { path },
  });
}

/** Where one name of a file goes into the layer or is gone, all that are still there go into it. */
function addWholeGroups(
  changed: Set<string>,
  missing: ReadonlySet<string>,
  groupings: readonly (readonly (readonly string[])[])[],
): void {
  const groups = groupings.flat();
  for (let hasGrown = true; hasGrown;) {
    hasGrown = false;
    for (const group of groups) {
      if (!group.some((path) => changed.has(path) || missing.has(path))) continue;
      for (const path of group) {
        if (changed.has(path) || missing.has(path)) continue;
        changed.add(path);
        hasGrown = true;
      }
    }
  }
}

function addParents(path: string, changed: Set<string>): void {
  for (let at = path; at !== '';) {
    at = parentOf(at);
    if (changed.has(at) && at !== path) return;
    changed.add(at);
  }
}
