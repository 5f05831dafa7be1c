import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readKeptBuilds } from '../../lib/plan/kept-builds.js';
import { flipByte, makeSmall } from '../snapshot/small-snapshots.js';

describe('readKeptBuilds', { timeout: 300_000 }, () => {
  const build = { project: 'hello', step: 'build', filename: 'hello-1.2.tar.gz' };

  it('finds snapshots by project, step and file name', async () => {
    const small = await makeSmall();
    assert.equal((await readKeptBuilds(small.store)).has(build), false);
    const { digest } = await small.save();
    const kept = await readKeptBuilds(small.store);
    assert.deepEqual(kept.projects, ['hello']);
    assert.ok(kept.has(build));
    for (const other of [
      { project: 'hallo' },
      { step: 'other' },
      { filename: 'hello-1.3' },
      { filename: null },
    ])
      assert.ok(!kept.has({ ...build, ...other }));
    flipByte(`${small.store}/blobs/${digest.replace(':', '/')}`);
    assert.deepEqual((await readKeptBuilds(small.store)).projects, []);
  });
});
