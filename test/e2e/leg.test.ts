import assert from 'node:assert/strict';
import { cpSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, it } from 'node:test';
import { buildCommand, word } from '../../lib/ci/settings.js';
import { legPaths, planLeg } from '../../lib/leg/leg.js';
import { assertNoUnitTwice, count, tenUnits, wholeOutput } from '../rbm/ten-units.js';
import { TrapWorkspace, type Finished } from '../rbm/trap-workspace.js';
import { rbmsUnderTest } from '../rbm/workspace.js';

for (const rbm of rbmsUnderTest()) {
  describe(`legs of a build of ${rbm.name}`, () => {
    const workspaces: TrapWorkspace[] = [];
    const make = (build = tenUnits): TrapWorkspace => {
      const workspace = new TrapWorkspace(rbm, { units: { build } });
      workspaces.push(workspace);
      return workspace;
    };
    afterEach(async () => {
      for (const workspace of workspaces.splice(0)) await workspace.remove();
    });

    const start = (w: TrapWorkspace, limit = '60m') => {
      const flags = ['--limit', limit, '--outcome', join(w.dir, 'outcome')];
      const units = { project: 'units', step: 'build', targets: [] };
      const leg = [...w.commandLine, 'leg', join(w.dir, 'carried'), ...flags].map(word).join(' ');
      return w.start(['sh', '-c', `exec ${leg} -- ${buildCommand({ rbm: w.rbmProgram }, [units])}`]);
    };
    const outcome = (w: TrapWorkspace): string => readFileSync(join(w.dir, 'outcome'), 'utf8');
    /** Stops a leg when two more units are done, as a deadline would. */
    async function stopped(w: TrapWorkspace): Promise<Finished> {
      const run = start(w);
      while (count(w.log('units'), /DONE/g) < 2 && run.child.exitCode === null) await sleep(20);
      run.child.kill('SIGTERM');
      return run.ended;
    }

    it('bring it to its end over two machines, with what a service carries and nothing else', async () => {
      const [first, second] = [make(), make()];
      const begun = await stopped(first);
      assert.equal(begun.status, 0, begun.output);
      assert.equal(outcome(first), 'outcome=interrupted\nprogress=true\n');
      cpSync(join(first.dir, 'carried'), join(second.dir, 'carried'), { recursive: true });
      const { before } = await planLeg(join(second.dir, 'carried'), {
        startedAt: new Date(),
        limitMs: 60_000,
      });
      assert.ok(before !== null && before.workSeconds > 0 && Number(before.packSeconds) > 0);
      const ended = await start(second).ended;
      assert.equal(ended.status, 0, ended.output);
      assert.match(ended.output, /taken over: units, generation 1\n/);
      assert.equal(outcome(second), 'outcome=finished\nprogress=true\n');
      assert.equal(second.output('units'), wholeOutput);
      assertNoUnitTwice(first.log('units') + second.log('units'));
      // A further one finds all built, and carries nothing.
      rmSync(join(second.dir, 'outcome'));
      const again = await start(second).ended;
      assert.equal(again.status, 0, again.output);
      assert.equal(outcome(second), 'outcome=finished\nprogress=false\n');
      assert.deepEqual(readdirSync(join(legPaths(join(second.dir, 'carried')).snapshots, 'parts')), []);
    });

    it('fail when the build does, with its status, and say so', async () => {
      const w = make('exit 3');
      const { status, output } = await start(w).ended;
      assert.ok(status !== 0 && status !== null, output);
      assert.equal(outcome(w), 'outcome=failed\nprogress=false\n');
    });

    it('build nothing where the time is over already, and are no failure', async () => {
      const w = make();
      const { status, output } = await start(w, '1ms').ended;
      assert.equal(status, 0, output);
      assert.match(output, /this job ends .* before its limit/);
      assert.equal(outcome(w), 'outcome=interrupted\nprogress=false\n');
    });
  });
}
