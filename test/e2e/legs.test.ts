import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { TrapWorkspace, type TrapProject } from '../rbm/trap-workspace.js';
import { assertNoUnitTwice, count, tenUnits, wholeOutput } from '../rbm/ten-units.js';
import { rbmsUnderTest } from '../rbm/workspace.js';

for (const rbm of rbmsUnderTest()) {
  describe(`a build over several legs of ${rbm.name}`, () => {
    let workspace: TrapWorkspace | undefined;
    const make = (projects: Record<string, TrapProject>, options = {}): TrapWorkspace =>
      (workspace = new TrapWorkspace(rbm, projects, options));
    afterEach(() => workspace?.remove());

    it('finishes over three runs with the output of an uninterrupted build, and does nothing twice', async () => {
      const w = make({ units: { build: tenUnits } });
      for (const leg of [1, 2]) {
        const run = w.run('units');
        const before = count(w.log('units'), /DONE/g);
        await w.untilLogged('units', 'BEGIN');
        while (count(w.log('units'), /DONE/g) < before + 2) await sleep(20);
        run.child.kill('SIGTERM');
        const { status, output } = await run.ended;
        assert.equal(status, 75, `leg ${leg}: ${output}`);
        assert.match(output, /interrupted and kept/);
        assert.equal(w.output('units'), null, 'an unfinished output was handed out');
        assert.equal(w.parked().length, 1);
        assert.deepEqual(w.containers(), []);
      }
      const last = await w.run('units').ended;
      assert.equal(last.status, 0, last.output);
      assert.equal(w.output('units'), wholeOutput);
      const log = w.log('units');
      assertNoUnitTwice(log);
      assert.ok(count(log, /BEGIN/g) <= 14, `at most two units in flight at each interrupt:\n${log}`);
      assert.match(log, /goes on in the root filesystem kept/);
      assert.deepEqual(w.parked(), [], 'what was kept is dropped after success');
      assert.deepEqual(w.containers(), []);
    });

    it('interrupts at a deadline, also one that falls into the build of a dependency, and keeps that one', async () => {
      const w = make({
        lower: { build: `[ -e /var/tmp/once ] || { touch /var/tmp/once; sleep 1000; }\n${tenUnits}` },
        upper: { build: 'cp lower.txt "[% dest_dir %]/[% c("filename") %]"', dependsOn: ['lower'] },
      });
      const first = await w.run('upper', ['--deadline', '12s']).ended;
      assert.equal(first.status, 75, first.output);
      const { kept } = await w.json<{ kept: { record: { project: string; legs: unknown[] } }[] }>('list');
      assert.deepEqual(
        kept.map(({ record }) => [record.project, record.legs.length]),
        [['lower', 1]],
      );
      const last = await w.run('upper').ended;
      assert.equal(last.status, 0, last.output);
      assert.equal(w.output('upper'), wholeOutput);
    });

    it('stops a build with var/resume off at the deadline too, and says that nothing is kept', async () => {
      const w = make({ units: { build: 'sleep 1000', resume: 'off' } });
      const { status, output } = await w.run('units', ['--deadline', '8s']).ended;
      assert.equal(status, 76, output);
      assert.match(output, /var\/resume is off/);
      assert.equal(w.output('units'), null);
      assert.deepEqual(w.containers(), []);
    });

    it('keeps nothing of a build that is interrupted in its pre script', async () => {
      const w = make({ early: { pre: '#!/bin/sh\necho IN PRE; sleep 1000', build: 'true' } });
      const run = w.run('early');
      await w.untilLogged('early', 'IN PRE');
      run.child.kill('SIGTERM');
      const { status, output } = await run.ended;
      assert.equal(status, 76, output);
      assert.deepEqual(w.parked(), []);
      assert.deepEqual(w.containers(), []);
    });

    it('does not run pre and build again when it was interrupted in post', async () => {
      const w = make({
        later: {
          pre: '#!/bin/sh\necho IN PRE',
          build: 'echo IN BUILD; echo out > "[% dest_dir %]/[% c("filename") %]"',
          post: '#!/bin/sh\necho IN POST; [ -e /once ] || { touch /once; sleep 1000; }',
        },
      });
      const run = w.run('later');
      await w.untilLogged('later', 'IN POST');
      await sleep(200);
      run.child.kill('SIGTERM');
      assert.equal((await run.ended).status, 75);
      const last = await w.run('later').ended;
      assert.equal(last.status, 0, last.output);
      assert.equal(w.output('later'), 'out\n');
      assert.equal(count(w.log('later'), /IN PRE/g), 1);
      assert.equal(count(w.log('later'), /IN BUILD/g), 1);
      assert.equal(count(w.log('later'), /IN POST/g), 2);
    });

    it('gives a resumed build the same temporary folders, and leaves its inputs as they were', async () => {
      const w = make({
        folders: {
          build: `pwd; echo "output: [% dest_dir %]"; stat -c 'mtime %y' container-image_small.tar build
[ -e once ] || { touch once; echo FIRST; sleep 1000; }
pwd > "[% dest_dir %]/[% c("filename") %]"`,
        },
      });
      const run = w.run('folders');
      await w.untilLogged('folders', 'FIRST');
      run.child.kill('SIGTERM');
      assert.equal((await run.ended).status, 75);
      const last = await w.run('folders').ended;
      assert.equal(last.status, 0, last.output);
      const lines = w.log('folders').split('\n');
      const told = lines.filter((line) => /^(\/var\/tmp|output:|mtime)/.test(line));
      assert.equal(told.length, 8, w.log('folders'));
      assert.deepEqual(told.slice(4), told.slice(0, 4));
    });
  });
}
