import assert from 'node:assert/strict';
import { appendFileSync, copyFileSync, cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { TrapWorkspace, type Finished, type TrapProject } from '../rbm/trap-workspace.js';
import { assertNoUnitTwice, count, tenUnits, wholeOutput } from '../rbm/ten-units.js';
import { rbmsUnderTest, testRoot } from '../rbm/workspace.js';

for (const rbm of rbmsUnderTest()) {
  describe(`a build of ${rbm.name} that is carried from machine to machine`, { timeout: 1_200_000 }, () => {
    let workspaces: TrapWorkspace[];
    /** What travels. */
    let luggage: string;
    beforeEach(() => {
      workspaces = [];
      luggage = mkdtempSync(join(testRoot(), 'rbm-resume-luggage-'));
    });
    afterEach(async () => {
      for (const workspace of workspaces) await workspace.remove();
      rmSync(luggage, { recursive: true, force: true });
    });

    /** Another machine: the same projects in another folder, with a store of its own. */
    const makeMachine = (projects: Record<string, TrapProject>): TrapWorkspace => {
      const workspace = new TrapWorkspace(rbm, projects);
      workspaces.push(workspace);
      return workspace;
    };
    const succeed = async (command: Promise<Finished>): Promise<string> => {
      const { status, output } = await command;
      assert.equal(status, 0, output);
      return output;
    };
    async function carry(from: TrapWorkspace, to: TrapWorkspace, name: string): Promise<string> {
      const dir = join(luggage, name);
      await succeed(from.command('export', dir));
      await succeed(to.command('import', dir));
      assert.deepEqual(to.parked(), [], 'only the snapshot travels');
      return dir;
    }
    async function interruptWhen(
      w: TrapWorkspace,
      project: string,
      isTime: () => boolean,
      more: string[] = [],
    ) {
      const run = w.run(project, ['--pack', ...more]);
      while (!isTime() && run.child.exitCode === null) await sleep(20);
      run.child.kill('SIGTERM');
      const { status, output } = await run.ended;
      assert.equal(status, 75, output);
      assert.match(output, /interrupted and kept/);
      assert.deepEqual(w.containers(), []);
    }
    const snapshotsOf = async (w: TrapWorkspace): Promise<number[]> => {
      const { snapshots } = await w.json<{ snapshots: { generation: number }[] }>('list');
      return snapshots.map(({ generation }) => generation);
    };

    it('finishes on the third with the output of an uninterrupted one, and does no unit twice', async () => {
      const machines = [1, 2, 3].map(() => makeMachine({ units: { build: tenUnits } }));
      const [a, b, c] = machines as [TrapWorkspace, TrapWorkspace, TrapWorkspace];
      const doneIn = (w: TrapWorkspace) => count(w.log('units'), /DONE/g);

      await interruptWhen(a, 'units', () => doneIn(a) >= 2);
      const first = await carry(a, b, 'first');
      await interruptWhen(b, 'units', () => doneIn(b) >= 2);
      assert.match(b.log('units'), /units goes on in the snapshot of \S+ \(generation 1\), after 1 leg/);
      const second = await carry(b, c, 'second');
      assert.deepEqual([await snapshotsOf(a), await snapshotsOf(c)], [[1], [2]]);
      await succeed(c.run('units').ended);
      assert.match(c.log('units'), /units goes on in the snapshot of \S+ \(generation 2\), after 2 leg/);

      const whole = makeMachine({ units: { build: tenUnits } });
      await succeed(whole.run('units').ended);
      assert.equal(whole.output('units'), wholeOutput);
      assert.equal(c.output('units'), wholeOutput);
      assert.deepEqual([a.output('units'), b.output('units')], [null, null]);
      const log = machines.map((w) => w.log('units')).join('');
      assertNoUnitTwice(log);
      assert.ok(count(log, /BEGIN/g) <= 14, `at most two units in flight at each interrupt:\n${log}`);

      assert.deepEqual([await snapshotsOf(c), c.parked(), c.containers()], [[], [], []]);
      assert.deepEqual(readdirSync(join(c.store, 'blobs', 'sha256')), [], 'success drops what came along');
      // Each of them can still go on by itself.
      assert.deepEqual([a.parked().length, b.parked().length], [1, 1]);

      for (const [dir, machine] of [
        [first, a],
        [second, c],
      ] as const) {
        const half = `${dir}-half`;
        cpSync(dir, half, { recursive: true });
        const [part = ''] = readdirSync(join(half, 'parts'));
        rmSync(join(half, 'parts', part));
        const before = await snapshotsOf(machine);
        const { status, output } = await machine.command('import', half);
        assert.equal(status, 77, output);
        assert.match(output, /INCOMPLETE_EXPORT/);
        assert.deepEqual(await snapshotsOf(machine), before);
      }
    });

    it('goes on where its image was left out and rbm has the identical one; elsewhere it starts clean', async () => {
      const build = `[ -e once ] || { touch once; echo FIRST; sleep 1000; }
echo out > "[% dest_dir %]/[% c("filename") %]"`;
      const [a, b, c] = [1, 2, 3].map(() => makeMachine({ once: { build } })) as [
        TrapWorkspace,
        TrapWorkspace,
        TrapWorkspace,
      ];
      const isFirst = (w: TrapWorkspace) => () => w.log('once').includes('FIRST');
      await interruptWhen(a, 'once', isFirst(a), ['--without-base']);
      const dir = await carry(a, b, 'without');
      await succeed(b.run('once').ended);
      assert.equal(b.output('once'), 'out\n');
      assert.match(b.log('once'), /once goes on in the snapshot of/);

      const image = join(c.dir, 'projects', 'common', 'container-image_small.tar');
      copyFileSync(image, `${image}.own`);
      rmSync(image);
      copyFileSync(`${image}.own`, image);
      rmSync(`${image}.own`);
      appendFileSync(image, Buffer.alloc(10_240));
      await succeed(c.command('import', dir));
      await interruptWhen(c, 'once', isFirst(c));
      assert.match(
        c.log('once'),
        /was stored without its base container-image_small.tar, and .* is another one/,
      );
      assert.match(c.log('once'), /the build starts clean/);
      assert.equal((await snapshotsOf(c)).length, 2, 'the snapshot stays');
    });
  });
}
