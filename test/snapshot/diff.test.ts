import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { diffSnapshots } from '../../lib/snapshot/diff.js';
import type { Snapshot } from '../../lib/snapshot/snapshot.js';
import { makeSmall } from './small-snapshots.js';

async function diff(a: Snapshot, b: Snapshot): Promise<string[]> {
  const found = [];
  for await (const { path, kind, what } of diffSnapshots(a, b))
    found.push(`${kind} ${path} ${what.join(',')}`);
  return found;
}

describe('diffSnapshots', { timeout: 600_000 }, () => {
  it('tells what was added, removed and changed, and in what, in byte order', async () => {
    const small = await makeSmall();
    await small.change('echo one > a; echo x > f; touch -d @5 a f; ln -s a l; echo h > h1; touch -d @7 .');
    const a = await small.save();
    await small.change(
      'echo longer > a; touch -d @5 a; chmod 600 f; chown 1:2 etc/base; ln -sfn f l; touch -h -d @9 l;' +
        ' rm etc/other; echo n > n; touch -d @6 n; ln h1 h2; touch -d @7 . etc',
    );
    const b = await small.save();
    assert.deepEqual(await diff(a, b), [
      'changed a size,content',
      'changed etc time',
      'changed etc/base owner',
      'removed etc/other ',
      'changed f mode',
      'changed h1 links',
      'added h2 ',
      'changed l time,target',
      'added n ',
    ]);
    assert.deepEqual(await diff(a, a), []);
  });

  it('finds a content that differs in nothing else, and only that', async () => {
    const small = await makeSmall();
    const times = 'touch -d @5 same differs sparse; touch -d @7 .';
    await small.change(`echo abc > same; echo abc > differs; truncate -s 9000 sparse; ${times}`);
    const a = await small.save();
    // `same` is written anew, and zeros take the place of the hole, so both come from another layer.
    await small.change(`echo abc > same; echo abd > differs; head -c 9000 /dev/zero > sparse; ${times}`);
    const b = await small.save();
    assert.deepEqual(await diff(a, b), ['changed differs content']);
  });

  it('compares the target of a hard link in a lower place', async () => {
    const small = await makeSmall();
    await small.change('echo one > x; ln x y; touch -d @5 x; touch -d @7 .');
    const a = await small.save();
    await small.change('echo two > y; touch -d @5 x; touch -d @7 .');
    assert.deepEqual(await diff(a, await small.save()), ['changed x content', 'changed y content']);
  });
});
