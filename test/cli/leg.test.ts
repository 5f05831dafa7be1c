import assert from 'node:assert/strict';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { parseProjectHash, sha256Hex } from '../../lib/digest.js';
import { legPaths } from '../../lib/leg/leg.js';
import { removeTree } from '../../lib/rootfs/move-tree.js';
import { exportSnapshots } from '../../lib/snapshot/export.js';
import { openStore } from '../../lib/snapshot/open-store.js';
import { rbmResume } from '../setup/init-workspace.js';
import { startSmallBuild } from '../snapshot/small-build.js';

describe('rbm-resume leg', () => {
  let work: string;
  let carried: string;
  before(async () => {
    work = mkdtempSync(join(tmpdir(), 'rbm-resume-cli-'));
    carried = join(work, 'carried');
    const store = join(work, 'store');
    await (await startSmallBuild(work)).saveLeg(store, { hash: parseProjectHash(sha256Hex('leg')) });
    await exportSnapshots(store, legPaths(carried).snapshots);
  });
  after(() => removeTree(work));

  const leg = (store: string, ...flags: string[]) =>
    rbmResume(['leg', carried, '--limit', '60m', ...flags, '--store', join(work, store), '--', 'true'], {
      cwd: work,
    });

  it('carries on what another build has kept, for so many days', async () => {
    // It was made in 2021.
    const kept = await leg('one', '--keep-days', '99999');
    assert.equal(kept.status, 0, kept.stderr);
    assert.match(kept.stderr, /taken over: small, generation 1\n/);
    assert.match(kept.stderr, /1 snapshot\(s\), .* are left for the next job/);
    const dropped = await leg('two');
    assert.equal(dropped.status, 0, dropped.stderr);
    assert.match(dropped.stderr, /not carried on, for its age: small, generation 1\n/);
    assert.match(dropped.stderr, /0 snapshot\(s\), .* are left for the next job/);
    assert.deepEqual(await openStore(join(work, 'two')).list(), []);
  });

  it('does not begin with a number of days that is none', async () => {
    const { status, stderr } = await leg('three', '--keep-days', 'many');
    assert.equal(status, 64);
    assert.match(stderr, /not a number of days: "many"/);
  });
});
