import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { digestOf, sha256Hex } from '../../lib/digest.js';
import { ANNOTATION } from '../../lib/snapshot/annotations.js';
import { mergeGenerations } from '../../lib/snapshot/refs.js';
import { MEDIA_TYPE, REF_NAME, type Descriptor } from '../../lib/store/oci.js';

/** `a3` is generation 3 of the hash a; what follows `/` tells it from another one, and its digits are its seconds. */
function entry(name: string): Descriptor {
  const [place = ''] = name.split('/');
  return {
    mediaType: MEDIA_TYPE.manifest,
    digest: digestOf(name),
    size: 1,
    annotations: {
      [ANNOTATION.hash]: sha256Hex(place.slice(0, 1)),
      [ANNOTATION.generation]: place.slice(1),
      name,
    },
  };
}

const nameOf = ({ annotations }: Descriptor) => annotations?.name;
const secondsOf = (one: Descriptor) => Number(/\d+$/.exec(nameOf(one)?.split('/')[1] ?? '')?.[0] ?? 0);

const merge = (present: readonly string[], added: readonly string[]) => {
  const merged = mergeGenerations(present.map(entry), added.map(entry), { workSeconds: secondsOf });
  const told = (list: readonly { descriptor: Descriptor; why: string }[]) =>
    list.map(({ descriptor, why }) => `${nameOf(descriptor)} ${why}`);
  return {
    now: merged.manifests.map(nameOf),
    added: merged.added.map(nameOf),
    skipped: told(merged.skipped),
    displaced: told(merged.displaced),
    refs: merged.manifests.map(({ annotations }) => annotations?.[REF_NAME]?.replace(/^\w{64}/, 'H')),
  };
};

describe('mergeGenerations', () => {
  it('adds what the index does not have, and names the newest', () => {
    const { now, added, skipped, refs } = merge(['a1', 'b1'], ['a2', 'c7']);
    assert.deepEqual([now, added, skipped], [['a1', 'b1', 'a2', 'c7'], ['a2', 'c7'], []]);
    assert.deepEqual(refs, ['H-1', 'H', 'H', 'H']);
  });

  it('keeps the newest two of a hash, whoever has them', () => {
    assert.deepEqual(merge(['a1', 'a2'], ['a3']).displaced, ['a1 older']);
    assert.deepEqual(merge(['a1', 'a2'], ['a3']).now, ['a2', 'a3']);
    assert.deepEqual(merge(['a1', 'a2', 'b1'], ['a3', 'a4']).displaced, ['a1 older', 'a2 older']);
    assert.deepEqual(merge(['a1', 'a4'], ['a3']).now, ['a4', 'a3']);
  });

  it('skips what is older than the newest two', () => {
    const { now, skipped, displaced } = merge(['a3', 'a4'], ['a2']);
    assert.deepEqual([now, skipped, displaced], [['a3', 'a4'], ['a2 older'], []]);
    assert.deepEqual(merge([], ['a1', 'a2', 'a3']).skipped, ['a1 older']);
  });

  it('skips what is there', () => {
    const { now, skipped, added } = merge(['a1', 'a2'], ['a2', 'a1']);
    assert.deepEqual([now, skipped, added], [['a1', 'a2'], ['a2 already-there', 'a1 already-there'], []]);
  });

  it('takes of two with one number the one that has worked longer, else the one that was there', () => {
    const longer = merge(['a1', 'a2/here5'], ['a2/there6']);
    assert.deepEqual([longer.now, longer.displaced], [['a1', 'a2/there6'], ['a2/here5 less-work']]);
    for (const seconds of [5, 4]) {
      const { now, skipped } = merge(['a2/here5'], [`a2/there${seconds}`]);
      assert.deepEqual([now, skipped], [['a2/here5'], [`a2/there${seconds} less-work`]]);
    }
    assert.deepEqual(merge([], ['a2/x1', 'a2/y2']).added, ['a2/y2']);
  });

  it('leaves alone what it adds nothing to, and what is not ours', () => {
    const foreign = { ...entry('x'), annotations: { [REF_NAME]: 'debian' } };
    const { manifests } = mergeGenerations([foreign, entry('a1')], [entry('b1')], { workSeconds: secondsOf });
    assert.deepEqual(manifests[0], foreign);
    assert.deepEqual(merge(['a1', 'a2', 'a3', 'a4'], ['a1', 'b1']).now, ['a1', 'a2', 'a3', 'a4', 'b1']);
  });
});
