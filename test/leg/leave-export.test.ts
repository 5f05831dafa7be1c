import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { parseProjectHash, sha256Hex } from '../../lib/digest.js';
import { leaveExport } from '../../lib/leg/leave-export.js';
import { legPaths, takeOver } from '../../lib/leg/leg.js';
import { removeTree } from '../../lib/rootfs/move-tree.js';
import { NO_POLICY } from '../../lib/trust/judge.js';
import { startSmallBuild } from '../snapshot/small-build.js';

describe('what a leg leaves behind', () => {
  let work = '';
  let store = '';
  let count = 0;
  before(async () => {
    work = mkdtempSync(join(tmpdir(), 'rbm-resume-leave-'));
    store = join(work, 'store');
    await (await startSmallBuild(work)).saveLeg(store, { hash: parseProjectHash(sha256Hex('leave')) });
  });
  after(() => removeTree(work));

  /** How many snapshots the next leg takes over. */
  async function takenOver(dir: string): Promise<number | string | null> {
    const { imported, trouble } = await takeOver(join(work, `next-${(count += 1)}`), dir, NO_POLICY);
    return imported?.imported.length ?? trouble;
  }

  it('takes the place of what the leg before has left', async () => {
    const dir = join(work, 'twice');
    for (let leg = 0; leg < 2; leg += 1) {
      assert.equal((await leaveExport(store, dir, {})).dir, legPaths(dir).snapshots);
      assert.deepEqual(readdirSync(dir), ['snapshots']);
    }
    assert.equal(await takenOver(dir), 1);
  });

  it('stays what it was while a job is killed that writes the next', async () => {
    const dir = join(work, 'killed');
    await leaveExport(store, dir, {});
    const program = `
      import { leaveExport } from ${JSON.stringify(new URL('../../lib/leg/leave-export.ts', import.meta.url))};
      await leaveExport(process.argv[1], process.argv[2], { onProgress: () => process.kill(process.pid, 'SIGKILL') });`;
    const child = spawn(
      process.execPath,
      ['--import', 'tsx', '--input-type=module', '-e', program, store, dir],
      { stdio: 'inherit' },
    );
    assert.equal(
      await new Promise((resolve) => child.once('close', (_, signal) => resolve(signal))),
      'SIGKILL',
    );
    assert.ok(existsSync(legPaths(dir).next));
    assert.equal(await takenOver(dir), 1);
    await leaveExport(store, dir, {});
    assert.deepEqual(readdirSync(dir), ['snapshots']);
  });

  it('is found wherever a job was killed between the two renames', async () => {
    const dir = join(work, 'between');
    const { snapshots, next, last } = legPaths(dir);
    await leaveExport(store, dir, {});
    renameSync(snapshots, next);
    assert.equal(await takenOver(dir), 1);
    renameSync(next, last);
    mkdirSync(next);
    writeFileSync(join(next, 'manifest.json'), '{');
    assert.equal(await takenOver(dir), 1);
  });
});
