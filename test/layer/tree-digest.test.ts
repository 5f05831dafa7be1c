import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import type { LayeredEntry, LayeredTree } from '../../lib/layer/merge.js';
import { treeDigest } from '../../lib/layer/tree-digest.js';

const entry = (path: string, more: Partial<LayeredEntry> = {}): LayeredEntry => ({
  path,
  meta: 'f 0644 0 0 3 1.000000000',
  target: '',
  link: '',
  xattrs: '',
  layer: 0,
  ...more,
});
const treeOf = (...entries: readonly LayeredEntry[]): LayeredTree =>
  new Map(entries.map((one) => [one.path, one]));

describe('the digest of a tree', () => {
  const tree = [entry('b'), entry('a'), entry('a.b'), entry('a/c'), entry('a-')];

  it('is that of its records in the byte order of their paths, in whatever order they are found', () => {
    const hash = createHash('sha256');
    for (const path of ['a', 'a-', 'a.b', 'a/c', 'b'])
      hash.update(`${path}\0f 0644 0 0 3 1.000000000\0\0\0\0`);
    const expected = `sha256:${hash.digest('hex')}`;
    assert.equal(treeDigest(treeOf(...tree)), expected);
    assert.equal(treeDigest(treeOf(...tree.toReversed())), expected);
  });

  it('does not change with the layer that an entry is in, nor with sockets, which are not kept', () => {
    const elsewhere = tree.map((one) => ({ ...one, layer: 3 }));
    const socket = entry('s', { meta: 's 0755 0 0 0 1.000000000' });
    assert.equal(treeDigest(treeOf(...elsewhere, socket)), treeDigest(treeOf(...tree)));
  });

  it('changes with each field of each entry, and never for a field that runs over into the next', () => {
    const changes: readonly (readonly LayeredEntry[])[] = [
      ...tree.map((_, number) => tree.filter((__, other) => other !== number)),
      ...(['meta', 'target', 'link', 'xattrs'] as const).flatMap((field) =>
        tree.map((one, number) =>
          tree.map((other, at) => (at === number ? { ...one, [field]: 'f x' } : other)),
        ),
      ),
      [...tree, entry('c')],
      [entry('x', { target: 'y' })],
      [entry('x', { link: 'y' })],
      [entry('x', { xattrs: 'y' })],
      [entry('xy')],
      [entry('x'), entry('y')],
      [],
    ];
    const digests = [tree, ...changes].map((one) => treeDigest(treeOf(...one)));
    assert.equal(new Set(digests).size, digests.length);
  });

  it('is that of names of any bytes', () => {
    const hash = createHash('sha256').update(Buffer.from('é\n\0f\0\0\0\0', 'latin1'));
    assert.equal(treeDigest(treeOf(entry('é\n', { meta: 'f' }))), `sha256:${hash.digest('hex')}`);
  });

  it('takes more entries than fit into one go', () => {
    const many = Array.from({ length: 2500 }, (_, number) => entry(`f${String(number).padStart(5, '0')}`));
    const hash = createHash('sha256');
    for (const { path, meta } of many) hash.update(`${path}\0${meta}\0\0\0\0`);
    assert.equal(treeDigest(treeOf(...many)), `sha256:${hash.digest('hex')}`);
  });
});
