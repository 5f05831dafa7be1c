import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { TrapWorkspace, until, type TrapProject } from '../rbm/trap-workspace.js';
import { rbmsUnderTest } from '../rbm/workspace.js';

const WRITE = 'echo out > "[% dest_dir %]/[% c("filename") %]"';

for (const rbm of rbmsUnderTest()) {
  describe(`where a resume would be wrong, a build of ${rbm.name}`, () => {
    let workspace: TrapWorkspace | undefined;
    const make = (projects: Record<string, TrapProject>, options = {}): TrapWorkspace =>
      (workspace = new TrapWorkspace(rbm, projects, options));
    afterEach(() => workspace?.remove());

    it('is not kept when make had reported a failed recipe before the interrupt', async () => {
      const w = make({
        failing: {
          build: `mkdir -p /var/tmp/work; cd /var/tmp/work
printf 'all: y x\\nx:\\n\\techo half > x; exit 1\\ny:\\n\\tsleep 1000\\n' > Makefile
make -j2
cat x > "[% dest_dir %]/[% c("filename") %]"`,
        },
      });
      const run = w.run('failing');
      await w.untilLogged('failing', 'Error 1');
      await sleep(200);
      run.child.kill('SIGTERM');
      const { status, output } = await run.ended;
      assert.equal(status, 1, output);
      assert.match(output, /failing already when it was interrupted, so nothing is kept: .*Error 1/);
      assert.deepEqual(w.parked(), []);
    });

    it('is not kept when nobody could note how the script ended', async () => {
      const w = make({ lost: { build: 'echo FIRST; sleep 3; exit 5' } });
      const run = w.build('lost');
      await w.untilLogged('lost', 'FIRST');
      const live = join(w.store, '.rbm-resume', 'live');
      const [id] = readdirSync(live);
      const scripts = join(live, String(id), 'scripts');
      assert.equal(readFileSync(scripts, 'utf8'), 'lost unknown\n'.replace('lost', 'build'));
      // As on a full disk: the line that tells the end can't be appended.
      rmSync(scripts);
      await import('node:fs/promises').then(({ mkdir }) => mkdir(scripts));
      const { status } = await run.ended;
      assert.notEqual(status, 0);
      assert.equal(w.output('lost'), null);
      assert.deepEqual(w.parked(), []);
    });

    it('starts clean when a dependency of the same name has another content', async () => {
      const w = make({
        lower: { build: 'echo one > "[% dest_dir %]/[% c("filename") %]"' },
        upper: {
          dependsOn: ['lower'],
          build: `[ -e /var/tmp/copy ] || { cp lower.txt /var/tmp/copy; echo FIRST; sleep 1000; }
cp /var/tmp/copy "[% dest_dir %]/[% c("filename") %]"`,
        },
      });
      const run = w.run('upper');
      await w.untilLogged('upper', 'FIRST');
      run.child.kill('SIGTERM');
      assert.equal((await run.ended).status, 75);
      writeFileSync(join(w.dir, 'out/lower/lower.txt'), 'two\n');
      const before = w.log('upper').length;
      const again = w.run('upper');
      await until(() => w.log('upper').slice(before).includes('FIRST'), 'a clean start');
      assert.match(w.log('upper').slice(before), /input file lower.txt has another content/);
      again.child.kill('SIGTERM');
      assert.equal((await again.ended).status, 75);
    });

    it('leaves an input file as the script has changed it', async () => {
      const w = make({
        changed: {
          config: '',
          build: `[ -e prepared ] || { sed -i s/0/1/ data; touch prepared; echo FIRST; sleep 1000; }
cat data > "[% dest_dir %]/[% c("filename") %]"`,
        },
      });
      writeFileSync(join(w.dir, 'projects/changed/data'), 'flag=0\n');
      const config = join(w.dir, 'projects/changed/config');
      const text = readFileSync(config, 'utf8');
      writeFileSync(config, text.replace('input_files:\n', 'input_files:\n  - filename: data\n'));
      const run = w.run('changed');
      await w.untilLogged('changed', 'FIRST');
      run.child.kill('SIGTERM');
      assert.equal((await run.ended).status, 75);
      const last = await w.run('changed').ended;
      assert.equal(last.status, 0, last.output);
      assert.equal(w.output('changed'), 'flag=1\n');
    });

    it('gives a resumed build the script as it is rendered now, with another number of processors', async () => {
      const w = make({
        script: {
          build: `[ -e once ] || { touch once; echo FIRST; sleep 1000; }
echo [% c("num_procs") %] > "[% dest_dir %]/[% c("filename") %]"`,
        },
      });
      const run = w.run('script', [], { RBM_NUM_PROCS: '3' });
      await w.untilLogged('script', 'FIRST');
      run.child.kill('SIGTERM');
      assert.equal((await run.ended).status, 75);
      const last = await w.run('script', [], { RBM_NUM_PROCS: '5' }).ended;
      assert.equal(last.status, 0, last.output);
      assert.equal(w.output('script'), '5\n');
    });

    it('goes on without us when rbm cannot describe it', async () => {
      const w = make({
        odd: {
          build: `[% IF c("output_dir") == "/rbm-resume/output"; exit_error("cannot tell"); END -%]\n${WRITE}`,
        },
      });
      const { status, output } = await w.build('odd').ended;
      assert.equal(status, 0, output);
      assert.equal(w.output('odd'), 'out\n');
      assert.match(output, /cannot tell.*will not be kept/s);
    });

    it('goes on without us when the store cannot be used', async () => {
      const w = make({ plain: { build: WRITE } });
      writeFileSync(w.store, 'a file where the store should be');
      const { status, output } = await w.build('plain').ended;
      assert.equal(status, 0, output);
      assert.equal(w.output('plain'), 'out\n');
      rmSync(w.store);
    });

    it('gets rbm’s own standard input, and a debug shell after a real failure', async () => {
      const w = make({ broken: { build: 'exit 3' } }, { debug: 1 });
      const script = `printf 'echo MARK-$((6*7))\\n' | ${w.rbmProgram} build broken`;
      const { output } = await w.start(['sh', '-c', script]).ended;
      assert.match(output, /MARK-42/);
    });

    it('is off where var/resume renders to nothing', async () => {
      const w = make({ plain: { build: WRITE, resume: `[% IF c("var/nothing") %]rerun[% END %]` as 'off' } });
      const { status, output } = await w.build('plain').ended;
      assert.equal(status, 0, output);
    });

    it('is not removed by prune while its container is being made', async () => {
      const slow =
        '  remote_start: |\n    #!/bin/sh\n    set -e\n    touch [% c("basedir") %]/starting; sleep 3\n' +
        `    [% c("rbmdir") %]/container extract '[% c("container/dir") %]' '[% c("remote_srcdir") %]/container-image_'*`;
      const w = make({ slow: { build: WRITE } }, { conf: slow });
      const run = w.build('slow');
      await until(() => readdirSync(w.dir).includes('starting'), 'remote_start');
      const { leftovers } = await w.json<{ leftovers: unknown[] }>('prune');
      assert.deepEqual(leftovers, []);
      const { status, output } = await run.ended;
      assert.equal(status, 0, output);
      assert.doesNotMatch(output, /container-create ended/);
    });

    it('is not begun at a deadline that comes while the host makes something, which is made to its end', async () => {
      const w = make({ units: { build: WRITE } });
      const main = join(import.meta.dirname, '../../dist/cli/main.js');
      const inner = `echo ON HOST; sleep 3; echo whole > made; exec ${w.rbmProgram} build units`;
      const run = w.start([process.execPath, main, 'run', '--grace', '1s', '--', 'sh', '-c', inner]);
      await until(() => run.output.includes('ON HOST'), 'the work on the host');
      run.child.kill('SIGTERM');
      const { status, output } = await run.ended;
      assert.equal(readFileSync(join(w.dir, 'made'), 'utf8'), 'whole\n');
      assert.equal(status, 76, output);
      assert.match(output, /units is not started, since the run was interrupted/);
      assert.equal(w.output('units'), null);
      assert.deepEqual([w.parked(), w.containers()], [[], []]);
    });

    it('makes run end with 75 though a script around rbm hides its status', async () => {
      const w = make({ hidden: { build: 'echo FIRST; sleep 1000' } });
      const main = join(import.meta.dirname, '../../dist/cli/main.js');
      const inner = `${w.rbmProgram} build hidden || true`;
      const run = w.start([process.execPath, main, 'run', '--', 'sh', '-c', inner]);
      await w.untilLogged('hidden', 'FIRST');
      run.child.kill('SIGTERM');
      const { status, output } = await run.ended;
      assert.equal(status, 75, output);
    });
  });
}
