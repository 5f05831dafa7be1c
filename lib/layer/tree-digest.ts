import { createHash } from 'node:crypto';
import type { Digest } from '../digest.js';
import { isLeftOut, type LayeredTree } from './merge.js';

/** Records that are hashed in one go. */
const BATCH = 1000;

/**
 * The SHA-256 of all that a restore recreates of a tree but the bytes of files, which the layers' digests tell: of each entry,
 * in the byte order of their paths, path, meta, target, link and extended attributes, each with a NUL behind it (none of
 * them can hold one). To be called after `nameHardLinks`.
 */
export function treeDigest(tree: LayeredTree): Digest {
  const hash = createHash('sha256');
  const paths = [...tree.keys()].sort();
  for (let first = 0; first < paths.length; first += BATCH) {
    const records = paths.slice(first, first + BATCH).map((path) => {
      const entry = tree.get(path);
      if (entry === undefined || isLeftOut(entry)) return '';
      return `${entry.path}\0${entry.meta}\0${entry.target}\0${entry.link}\0${entry.xattrs}\0`;
    });
    hash.update(records.join(''), 'latin1');
  }
  return `sha256:${hash.digest('hex')}` as Digest;
}
