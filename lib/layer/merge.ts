import { RbmResumeError } from '../errors.js';
import { isSameEntry, parentOf, shownPath, typeOf, type Entry } from '../rootfs/entry.js';
import type { ScannedTree } from '../rootfs/scan.js';
import type { LayerMember, MemberBatches } from './whiteout.js';

/** An entry of a tree that is made of layers, and the number of the layer that holds it. */
export interface LayeredEntry extends Entry {
  readonly layer: number;
}

/** What layers make together, by path: known before anything is extracted. */
export type LayeredTree = Map<string, LayeredEntry>;

/**
 * Puts a layer on top of a tree. Source: OCI image-spec, layer.md: a whiteout hides what lower layers have, and so does
 * anything but a directory in the place of a directory.
 * @throws RbmResumeError `BAD_LAYER` for a hard link to nothing, an entry below what is no directory, or anything but a
 *   directory that is there twice: which of the two counts, and what an earlier hard link leads to, programs see differently
 */
export async function applyLayer(tree: LayeredTree, batches: MemberBatches, layer: number): Promise<void> {
  const added = new Map<string, LayeredEntry>();
  const removed = new Set<string>();
  const emptied = new Set<string>();
  const add = ({ path, type, meta, target, xattrs }: LayerMember): void => {
    if (type === 'w') removed.add(path);
    else if (type !== 'd') emptied.add(path);
    if (type === 'w' || type === 'o') return;
    if (added.has(path) && (type !== 'd' || !isDirectory(added, path))) {
      throw badLayer(`${shownPath(path)} is there twice`);
    }
    if (type === 'h') {
      const original = added.get(target) ?? tree.get(target);
      if (original === undefined || typeOf(original) === 'd') {
        throw badLayer(`${shownPath(path)} is a hard link to ${shownPath(target)}, which is not there`);
      }
      const link = original.link === '' ? `${original.layer} ${target}` : original.link;
      added.set(path, { ...original, path, link, layer });
      if (original.link === '') setLink(added.has(target) ? added : tree, target, link);
    } else {
      added.set(path, {
        path,
        meta,
        target: type === 'l' || type === 'c' || type === 'b' ? target : '',
        link: '',
        xattrs,
        layer,
      });
    }
  };
  for await (const members of batches) members.forEach(add);
  hide(tree, { removed, emptied });
  for (const [path, entry] of added) tree.set(path, entry);
  for (const path of added.keys()) {
    // The root itself need not be listed.
    const parent = path === '' ? undefined : tree.get(parentOf(path));
    if (parent === undefined ? parentOf(path) !== '' : typeOf(parent) !== 'd')
      throw badLayer(`${shownPath(path)} lies below what is no directory`);
  }
}

function setLink(tree: LayeredTree, path: string, link: string): void {
  const entry = tree.get(path);
  if (entry !== undefined) tree.set(path, { ...entry, link });
}

function hide(
  tree: LayeredTree,
  what: { readonly removed: ReadonlySet<string>; readonly emptied: ReadonlySet<string> },
): void {
  if (what.removed.size === 0 && ![...what.emptied].some((path) => isDirectory(tree, path))) return;
  // Each directory is judged once: all parents of all paths, one by one, would be minutes for a deep tree made to harm.
  const emptiedOnes = new Map<string, boolean>();
  const isEmptied = (dir: string): boolean => {
    const known = emptiedOnes.get(dir);
    if (known !== undefined) return known;
    const found = what.removed.has(dir) || what.emptied.has(dir) || (dir !== '' && isEmptied(parentOf(dir)));
    emptiedOnes.set(dir, found);
    return found;
  };
  for (const path of tree.keys())
    if (what.removed.has(path) || (path !== '' && isEmptied(parentOf(path)))) tree.delete(path);
}

const isDirectory = (tree: LayeredTree, path: string): boolean => {
  const entry = tree.get(path);
  return entry !== undefined && typeOf(entry) === 'd';
};

/** The paths of each file that has several, by the name that their `link` has. */
export function groupHardLinks(tree: LayeredTree): Map<string, string[]> {
  const groups = new Map<string, string[]>();
  for (const { path, link } of tree.values()) {
    if (link === '') continue;
    const group = groups.get(link);
    if (group === undefined) groups.set(link, [path]);
    else group.push(path);
  }
  return groups;
}

/** Names every group of hard links after its first path, as `Entry.link` has it. To be called after the last layer. */
export function nameHardLinks(tree: LayeredTree): void {
  for (const paths of groupHardLinks(tree).values()) {
    const [first = ''] = paths.sort();
    for (const path of paths) setLink(tree, path, paths.length > 1 ? first : '');
  }
}

/** A difference between what layers make and what a directory holds, or that there is none. */
export interface TreeDifference {
  readonly path: string;
  readonly expected: Entry | null;
  readonly found: Entry | null;
}

/**
 * The first entry in which a scanned tree differs from what its layers make, or `null`. Sockets and devices in the scan
 * are passed over: they are not kept.
 */
export async function findDifference(
  expected: LayeredTree,
  scan: ScannedTree,
): Promise<TreeDifference | null> {
  let count = 0;
  for await (const batch of scan.batches()) {
    for (const found of batch) {
      if (isLeftOut(found)) continue;
      const entry = expected.get(found.path);
      if (entry === undefined || !isSameEntry(entry, found)) {
        return { path: found.path, expected: entry ?? null, found };
      }
      count += 1;
    }
  }
  if (count === expected.size) return null;
  const there = new Set<string>();
  for await (const batch of scan.batches()) for (const { path } of batch) there.add(path);
  const missing = [...expected.values()].find(({ path }) => !there.has(path));
  return missing === undefined ? null : { path: missing.path, expected: missing, found: null };
}

/** In what an entry differs, for a message: what was found, and what was expected instead. */
export function describeDifference({ path, expected, found }: TreeDifference): string {
  const name = path === '' ? 'the root directory' : shownPath(path);
  if (found === null) return `${name} is missing`;
  if (expected === null) return `${name} is there, and should not be`;
  const fields = (['meta', 'target', 'link', 'xattrs'] as const).filter(
    (key) => expected[key] !== found[key],
  );
  const told = fields.map(
    (key) => `${key} "${shownPath(found[key])}" instead of "${shownPath(expected[key])}"`,
  );
  return `${name} has ${told.join(', ')}`;
}

/** Whether an entry is of a kind that a snapshot leaves out. */
export const isLeftOut = (entry: Pick<Entry, 'meta'>): boolean => ['s', 'c', 'b'].includes(typeOf(entry));

const badLayer = (what: string): RbmResumeError =>
  new RbmResumeError('BAD_LAYER', `the layers of the snapshot don't fit: ${what}`, {
    hint: '`rbm-resume verify` tells which blob it is; the build starts clean.',
  });
