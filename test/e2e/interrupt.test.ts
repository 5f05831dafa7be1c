import assert from 'node:assert/strict';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { afterEach, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { runBuild } from '../../lib/container/run.js';
import { TrapWorkspace, until, type TrapProject } from '../rbm/trap-workspace.js';
import { tenUnits, wholeOutput } from '../rbm/ten-units.js';
import { rbmsUnderTest } from '../rbm/workspace.js';

for (const rbm of rbmsUnderTest()) {
  describe(`interrupting a build of ${rbm.name}`, () => {
    let workspace: TrapWorkspace | undefined;
    const make = (projects: Record<string, TrapProject>, options = {}): TrapWorkspace =>
      (workspace = new TrapWorkspace(rbm, projects, options));
    afterEach(() => workspace?.remove());

    it('does not let the script go on when the interrupted program ends with 0', async () => {
      const w = make({
        polite: {
          build: [
            `perl -e '$| = 1; $SIG{INT} = sub { print "POLITE\\n"; exit 0 }; print "WAITING\\n"; sleep 1 while 1'`,
            'echo THE NEXT LINE',
            'echo unfinished > "[% dest_dir %]/[% c("filename") %]"',
          ].join('\n'),
        },
      });
      const run = w.run('polite');
      await w.untilLogged('polite', 'WAITING');
      run.child.kill('SIGINT');
      const { status, output } = await run.ended;
      assert.equal(status, 75, output);
      assert.match(w.log('polite'), /POLITE/);
      assert.doesNotMatch(w.log('polite'), /THE NEXT LINE/);
      assert.equal(w.output('polite'), null);
    });

    it('runs no trap of the script, and stops its background jobs', async () => {
      const w = make({
        trapper: {
          build: `trap 'echo TRAPPED; exit 0' INT TERM EXIT
( trap '' INT; while :; do sleep 0.2; done ) &
sleep 1000 &
echo WAITING
wait`,
        },
      });
      const run = w.run('trapper');
      await w.untilLogged('trapper', 'WAITING');
      await sleep(300);
      const [container] = w.containers();
      assert.ok(container !== undefined);
      run.child.kill('SIGTERM');
      const { status, output } = await run.ended;
      assert.equal(status, 75, output);
      assert.doesNotMatch(w.log('trapper'), /TRAPPED/);
      assert.deepEqual(processesIn(container), []);
    });

    it('lets make delete the target that it was writing, though a reader of its output stands behind it', async () => {
      const w = make({
        piped: {
          build: `mkdir -p /var/tmp/work; cd /var/tmp/work
printf 'all:\\n\\t@$(MAKE) --no-print-directory big\\nbig:\\n\\t@echo BEGIN; echo part > big; sleep 1000; echo whole >> big\\n' > Makefile
make 2>&1 | tee log`,
        },
      });
      const run = w.run('piped');
      await w.untilLogged('piped', 'BEGIN');
      await sleep(200);
      run.child.kill('SIGTERM');
      const { status, output } = await run.ended;
      assert.equal(status, 75, output);
      const [hash] = w.parked();
      const work = `${w.store}/.rbm-resume/parked/${hash}/rootfs/var/tmp/work`;
      assert.deepEqual(readdirSync(work).sort(), ['Makefile', 'log']);
      assert.match(readFileSync(`${work}/log`, 'utf8'), /Deleting file 'big'/);
    });

    it('lets a configure below make end, whose folder make would take for configured', async () => {
      const w = make({
        nested: {
          resume: 'statement',
          build: `mkdir /var/tmp/work; cd /var/tmp/work
cat > configure <<'EOF'
echo 'all:; @cd po && $(MAKE)' > Makefile; mkdir po; echo CONFIGURING; sleep 1; sleep 1
echo 'all:; @sleep 1; echo made > made' > po/Makefile
EOF
printf 'all:\\n\\t@test -e lib/Makefile || (mkdir lib; cd lib; sh ../configure)\\n\\t@cd lib && $(MAKE)\\n' > Makefile
make
cp lib/po/made "[% dest_dir %]/[% c("filename") %]"`,
        },
      });
      const run = w.run('nested');
      await w.untilLogged('nested', 'CONFIGURING');
      await w.json('interrupt', '--all');
      const { status, output } = await run.ended;
      assert.equal(status, 75, output);
      const next = await w.run('nested').ended;
      assert.equal(next.status, 0, next.output);
      assert.equal(w.output('nested'), 'made\n');
      assert.equal(w.log('nested').match(/CONFIGURING/g)?.length, 1);
    });

    it('waits no longer for a statement when the job is cancelled meanwhile', async () => {
      const w = make({
        slow: {
          resume: 'statement',
          build: `perl -e '$| = 1; print "WAITING\\n"; sleep 1 for 1 .. 40; print "WHOLE\\n"'
echo NEXT; sleep 1000`,
        },
      });
      const [deadline, cancel] = [new AbortController(), new AbortController()];
      const run = runBuild({
        argv: [w.rbmProgram, 'build', 'slow'],
        cwd: w.dir,
        outputTo: 'stderr',
        graceMs: 1_000_000,
        finishStatementMs: 400_000,
        interruptSignal: deadline.signal,
        signal: cancel.signal,
      });
      await w.untilLogged('slow', 'WAITING');
      deadline.abort();
      await sleep(500);
      cancel.abort();
      const { outcome, interruptedBy } = await run;
      assert.deepEqual([outcome, interruptedBy], ['interrupted-and-kept', 'asked']);
      assert.doesNotMatch(w.log('slow'), /WHOLE|NEXT/);
    });

    it('says how far it had to go, and removes what a killed program was writing', async () => {
      const w = make({
        stubborn: {
          build: `mkdir -p /var/tmp/work; cd /var/tmp/work
echo safe > safe
perl -e '$| = 1; $SIG{INT} = $SIG{TERM} = "IGNORE"; open F, ">", "half"; print "WAITING\\n"; sleep 1 while 1'`,
        },
      });
      const run = w.run('stubborn');
      await w.untilLogged('stubborn', 'WAITING');
      const [done] = await w.json<{ how: string; report: { escalation: string; removedFiles: string[] } }[]>(
        ...['interrupt', '--project', 'stubborn', '--grace', '1s'],
      );
      assert.equal(done?.how, 'stopped');
      assert.equal(done.report.escalation, 'SIGKILL');
      assert.deepEqual(done.report.removedFiles, ['/var/tmp/work/half']);
      const { status, output } = await run.ended;
      assert.equal(status, 75, output);
      const [hash] = w.parked();
      const work = `${w.store}/.rbm-resume/parked/${hash}/rootfs/var/tmp/work`;
      assert.deepEqual(readdirSync(work), ['safe']);
    });

    it('stops a build that ignores SIGINT from top to bottom, since it was started in the background', async () => {
      // Units that take long enough for a slow machine to start the command meanwhile.
      const w = make({ units: { build: tenUnits.replace('sleep 0.4', 'sleep 2') } });
      const shell = w.start(['sh', '-c', `${w.rbmProgram} build units & wait $!`], { RBM_NO_DEBUG: '1' });
      await w.untilLogged('units', 'BEGIN unit-');
      const [done] = await w.json<{ how: string; report: { escalation: string } }[]>('interrupt', '--all');
      assert.equal(done?.how, 'stopped');
      assert.notEqual(done.report.escalation, 'SIGKILL');
      const { status, output } = await shell.ended;
      assert.notEqual(status, 0, output);
      assert.equal(w.output('units'), null);
      assert.equal(w.parked().length, 1);
      const last = await w.run('units').ended;
      assert.equal(last.status, 0, last.output);
      assert.equal(w.output('units'), wholeOutput);
    });

    it('keeps the container that was meant when two are live, and lets the other finish', async () => {
      // On a machine with other work the ten units can be done before the interrupt comes.
      const w = make({ one: { build: `${tenUnits}\nsleep 100` }, two: { build: tenUnits } });
      const [one, two] = [w.build('one'), w.build('two')];
      await Promise.all([w.untilLogged('one', 'DONE'), w.untilLogged('two', 'DONE')]);
      const done = await w.json<{ project: string }[]>('interrupt', '--project', 'one');
      assert.deepEqual(
        done.map(({ project }) => project),
        ['one'],
      );
      assert.notEqual((await one.ended).status, 0);
      const other = await two.ended;
      assert.equal(other.status, 0, other.output);
      assert.equal(w.output('two'), wholeOutput);
      assert.equal(w.output('one'), null);
      const { kept } = await w.json<{ kept: { record: { project: string } }[] }>('list');
      assert.deepEqual(
        kept.map(({ record }) => record.project),
        ['one'],
      );
    });

    it('changes nothing when the interrupt comes a moment after the script has ended', async () => {
      const w = make({
        late: {
          build: 'echo done > "[% dest_dir %]/[% c("filename") %]"',
          config: [
            'container:',
            '  remote_get: |',
            '    #!/bin/sh',
            '    set -e',
            '    touch [% c("basedir") %]/getting; sleep 2',
            `    [% c("rbmdir") %]/container get '[% c("container/dir") %]' [% c('get_src') %] [% c('get_dst') %]`,
          ].join('\n'),
        },
      });
      const run = w.run('late');
      await until(() => readdirSync(w.dir).includes('getting'), 'remote_get');
      const [done] = await w.json<{ how: string }[]>('interrupt', '--all');
      assert.equal(done?.how, 'ended');
      const { status, output } = await run.ended;
      assert.equal(status, 0, output);
      assert.equal(w.output('late'), 'done\n');
      assert.deepEqual(w.parked(), []);
    });

    it('never takes a build for done whose processes were all sent SIGINT by a crude script', async () => {
      const w = make({
        crude: {
          build:
            'echo unfinished > "[% dest_dir %]/[% c("filename") %]"; echo WAITING; sleep 1000; echo more',
        },
      });
      const build = w.build('crude');
      await w.untilLogged('crude', 'WAITING');
      const [container] = w.containers();
      assert.ok(container !== undefined);
      for (const pid of processesIn(container)) process.kill(pid, 'SIGINT');
      const { status, output } = await build.ended;
      assert.notEqual(status, 0, output);
      assert.equal(w.output('crude'), null);
      assert.deepEqual(w.parked(), [], 'nobody asked for it to be kept');
    });

    it('opens no debug shell for a build that was interrupted', async () => {
      const w = make({ units: { build: `${tenUnits}\nsleep 1000` } }, { debug: 1 });
      const build = w.start([w.rbmProgram, 'build', 'units']);
      await w.untilLogged('units', 'DONE');
      assert.equal((await w.command('interrupt', '--all')).status, 0);
      const { status, output } = await build.ended;
      assert.notEqual(status, 0);
      assert.match(output, /no debug shell/);
      assert.equal(w.parked().length, 1);
    });
  });
}

/** The processes whose root is a container. */
function processesIn(container: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return readlinkSync(`/proc/${pid}/root`) === container;
      } catch {
        return false;
      }
    });
}
