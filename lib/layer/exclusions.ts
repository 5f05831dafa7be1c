import { open } from 'node:fs/promises';
import { RbmResumeError } from '../errors.js';
import { shownPath, toBytes } from '../rootfs/entry.js';
import type { LayeredTree } from './merge.js';
import { whiteoutPath, type LayerMember, type MemberBatches } from './whiteout.js';

/** A layer, and the tree that all layers make together. */
export interface LayerInTree {
  readonly number: number;
  readonly tree: LayeredTree;
  members(): MemberBatches;
}

/**
 * Writes what of a layer is not to be extracted: members that the merged tree has from another layer or not at all, and
 * whiteouts. Most names stand one a line in a file; those that tar would read wrongly there become options.
 * @returns how many members the layer has
 */
export async function writeExclusions(path: string, of: LayerInTree): Promise<number> {
  const names = await open(`${path}.names`, 'w');
  const options = await open(`${path}.options`, 'w');
  let members = 0;
  try {
    for await (const batch of of.members()) {
      members += batch.length;
      const [lines, flags]: [string[], string[]] = [[], []];
      for (const member of batch) {
        const name = excludedName(member, of);
        if (name === null) continue;
        for (const form of name === '' ? ['.'] : [`./${name}`, name]) {
          if (/[\n]|\s$/.test(form)) flags.push(`--exclude=${form}\0`);
          else lines.push(`${form}\n`);
        }
      }
      await names.writeFile(toBytes(lines.join('')));
      await options.writeFile(toBytes(flags.join('')));
    }
  } finally {
    await names.close();
    await options.close();
  }
  return members;
}

function excludedName(
  member: LayerMember,
  of: { readonly number: number; readonly tree: LayeredTree },
): string | null {
  const { path, type, target } = member;
  if (type === 'w') return whiteoutPath(path);
  if (type === 'o') return path === '' ? '.wh..wh..opq' : `${path}/.wh..wh..opq`;
  if (of.tree.get(path)?.layer !== of.number) return path;
  const original = type === 'h' ? of.tree.get(target) : undefined;
  if (type === 'h' && (original === undefined || original.layer > of.number)) {
    throw new RbmResumeError(
      'BAD_LAYER',
      `${shownPath(path)} is a hard link to ${shownPath(target)}, which a later layer replaces or removes`,
    );
  }
  return null;
}
