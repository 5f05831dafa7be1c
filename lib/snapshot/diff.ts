import type { LayeredTree } from '../layer/merge.js';
import { sizeOf, typeOf, type Entry } from '../rootfs/entry.js';
import { findMemberPlaces, hashMembers, keyOfPlace, type MemberPlace } from './member-contents.js';
import type { Snapshot } from './snapshot.js';

/** In what two entries of one path may differ. */
export type DifferingField =
  'type' | 'mode' | 'owner' | 'size' | 'time' | 'target' | 'links' | 'xattrs' | 'content';

/** A path at which two snapshots differ. */
export interface SnapshotDifference {
  /** A byte string, see `Entry`. */
  readonly path: string;
  readonly kind: 'added' | 'removed' | 'changed';
  /** Of a changed entry; empty for the others. */
  readonly what: readonly DifferingField[];
  readonly a: Entry | null;
  readonly b: Entry | null;
}

/**
 * What is otherwise in `b` than in `a`, in byte order of the paths; the two may lie in different stores. Contents are
 * compared exactly: files of equal size that come from the same member of the same layer are equal, of all others the
 * layers are read.
 * @throws RbmResumeError `MISSING_BLOB`, `DAMAGED_BLOB`, `BAD_LAYER`, before the first difference is given
 */
export async function* diffSnapshots(a: Snapshot, b: Snapshot): AsyncGenerator<SnapshotDifference> {
  const [treeA, treeB] = [await a.tree(), await b.tree()];
  const rewritten = await findRewritten({ snapshot: a, tree: treeA }, { snapshot: b, tree: treeB });
  for (const path of [...new Set([...treeA.keys(), ...treeB.keys()])].sort()) {
    const [before, after] = [treeA.get(path) ?? null, treeB.get(path) ?? null];
    if (before === null || after === null) {
      const kind = before === null ? 'added' : 'removed';
      yield { path, kind, what: [], a: toEntry(before), b: toEntry(after) };
      continue;
    }
    const what = [...differingFields(before, after)];
    if (rewritten.has(path)) what.push('content');
    if (what.length > 0) yield { path, kind: 'changed', what, a: toEntry(before), b: toEntry(after) };
  }
}

interface Side {
  readonly snapshot: Snapshot;
  readonly tree: LayeredTree;
}

/** The paths of regular files whose content differs. */
async function findRewritten(a: Side, b: Side): Promise<Set<string>> {
  const [placesA, placesB] = [await findMemberPlaces(a.snapshot), await findMemberPlaces(b.snapshot)];
  const rewritten = new Set<string>();
  const doubtful: { path: string; a: MemberPlace; b: MemberPlace }[] = [];
  for (const [path, after] of b.tree) {
    const before = a.tree.get(path);
    if (before === undefined || typeOf(before) !== 'f' || typeOf(after) !== 'f') continue;
    if (sizeOf(before) !== sizeOf(after)) rewritten.add(path);
    if (sizeOf(before) !== sizeOf(after) || sizeOf(after) === 0) continue;
    const [placeA, placeB] = [placesA.get(path), placesB.get(path)];
    if (placeA === undefined || placeB === undefined) throw new Error(`no layer has the content of ${path}`);
    if (keyOfPlace(placeA) !== keyOfPlace(placeB)) doubtful.push({ path, a: placeA, b: placeB });
  }
  const hashes = await hashMembers(
    doubtful.flatMap((one) => [
      { paths: a.snapshot.paths, place: one.a },
      { paths: b.snapshot.paths, place: one.b },
    ]),
  );
  for (const one of doubtful)
    if (hashes.get(keyOfPlace(one.a)) !== hashes.get(keyOfPlace(one.b))) rewritten.add(one.path);
  return rewritten;
}

function* differingFields(a: Entry, b: Entry): Generator<DifferingField> {
  const [typeA, modeA, uidA, gidA, sizeA, timeA] = a.meta.split(' ');
  const [typeB, modeB, uidB, gidB, sizeB, timeB] = b.meta.split(' ');
  if (typeA !== typeB) yield 'type';
  if (modeA !== modeB) yield 'mode';
  if (uidA !== uidB || gidA !== gidB) yield 'owner';
  if (sizeA !== sizeB) yield 'size';
  if (timeA !== timeB) yield 'time';
  if (a.target !== b.target) yield 'target';
  if (a.link !== b.link) yield 'links';
  if (a.xattrs !== b.xattrs) yield 'xattrs';
}

const toEntry = (entry: Entry | null): Entry | null => {
  if (entry === null) return null;
  const { path, meta, target, link, xattrs } = entry;
  return { path, meta, target, link, xattrs };
};
