import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ProveReport } from '../../lib/prove/report.js';
import { TrapWorkspace, type TrapProject } from '../rbm/trap-workspace.js';
import { rbmsUnderTest } from '../rbm/workspace.js';

/** Six units for make, which echoes what looks like compilations; what is done is not done again. */
const units = `
cd /var/tmp; mkdir -p work; cd work
if [ ! -e Makefile ]; then
cat > Makefile.new <<'END'
all: $(addprefix unit-,0 1 2 3 4 5)
unit-%:
	@echo gcc -c $@.c
	@echo part > $@; sleep 0.4; echo whole >> $@
END
mv Makefile.new Makefile
fi
`;
const green = `${units}
make -j1
tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cf - unit-* | gzip -n > "[% dest_dir %]/[% c("filename") %]"`;

/**
 * Wrong in two ways when it is run again from the top, as `rerun` does, and right as long as nobody interrupts it: the export
 * stands in the part that the second run skips (patched in the way of 2021), and a line is appended to what is there.
 */
const wrong = `${units}
if [ ! -e flag ]; then
  export SOURCE_DATE_EPOCH=946684800
  touch flag
fi
echo once >> notes
make -j1
date -u -d "@\${SOURCE_DATE_EPOCH:-1000000000}" > stamp
tar --sort=name --mtime=@0 --owner=0 --group=0 -cf - unit-* stamp notes | gzip -n > "[% dest_dir %]/[% c("filename") %]"`;

/** What never gives the same bytes twice. */
const unreproducible = 'echo "$(date +%s.%N) $RANDOM$RANDOM$RANDOM" > mark';

/** Its first interruption comes in the middle of a build, in the first run and in the second. */
const SEED = '205';

const resume = 'rerun';

for (const rbm of rbmsUnderTest()) {
  describe(`rbm-resume prove with ${rbm.name}`, () => {
    let workspace: TrapWorkspace | undefined;
    const make = (projects: Record<string, TrapProject>, options = {}): TrapWorkspace =>
      (workspace = new TrapWorkspace(rbm, projects, options));
    afterEach(() => workspace?.remove());

    const start = (w: TrapWorkspace, project: string, options: readonly string[]) =>
      w.start([
        ...w.commandLine,
        'prove',
        project,
        ...options,
        '--json',
        '--',
        w.rbmProgram,
        'build',
        project,
      ]);
    const prove = async (w: TrapWorkspace, project: string, options: readonly string[]) => {
      const { status, stdout, output } = await start(w, project, options).ended;
      const report = (stdout.startsWith('{') ? JSON.parse(stdout) : null) as ProveReport;
      assert.ok(report !== null, output);
      return { status, report, output };
    };

    it('finds the outputs equal, through parking and through snapshots, and leaves the workspace as it was', async () => {
      const w = make({
        lower: { build: 'echo lower > "[% dest_dir %]/[% c("filename") %]"', resume },
        good: { build: green, resume, dependsOn: ['lower'] },
      });
      mkdirSync(join(w.dir, 'out', 'good'), { recursive: true });
      writeFileSync(join(w.dir, 'out', 'good', 'good.txt'), 'of an earlier build');
      const summary = join(w.dir, 'summary.md');
      writeFileSync(summary, 'before\n');
      const options = ['--runs', '2', '--interruptions', '2', '--seed', '20', '--markdown', summary];
      const { status, report, output } = await prove(w, 'good', options);
      assert.equal(status, 0, output);
      assert.equal(report.verdict, 'equal');
      assert.deepEqual(
        report.runs.map(({ passage, interruptions }) => [passage, interruptions.length]),
        [
          ['parking', 2],
          ['snapshots', 2],
        ],
        output,
      );
      assert.equal(report.uninterrupted?.compileCommands, 6);
      const { cpuSeconds, scriptCpuSeconds } = report.uninterrupted;
      assert.ok(cpuSeconds !== null && scriptCpuSeconds !== null && scriptCpuSeconds < cpuSeconds, output);
      for (const run of report.runs) {
        assert.ok(run.compileCommandsRedone !== null && run.compileCommandsRedone <= 2, output);
        const { extraCpuSeconds: extra, redoneCpuSeconds: redone, resumingCpuSeconds: resuming } = run;
        assert.ok(extra !== null && redone !== null && resuming !== null, output);
        assert.ok(Math.abs(redone + resuming - extra) < 1e-6, output);
        // Hooks and rbm of two legs take more than the few statements that are done again.
        assert.ok(redone < resuming, output);
        assert.deepEqual(run.outputs, report.uninterrupted?.outputs);
      }
      assert.equal(w.output('good'), 'of an earlier build');
      assert.equal(w.output('lower'), 'lower\n');
      assert.ok(!existsSync(join(w.dir, 'resume')), 'the own store of the workspace');
      assert.ok(!existsSync(join(w.dir, 'resume-prove')));
      assert.match(
        readFileSync(summary, 'utf8'),
        /^before\n### rbm-resume prove: good\n\n✅ [^]*\| 2 +\| snapshots /,
      );
    });

    it('finds a script that skips its exports in the second run, or appends to what is there already', async () => {
      const w = make({ wrong: { build: wrong, resume } });
      const options = ['--runs', '2', '--interruptions', '1', '--seed', SEED];
      const { status, report, output } = await prove(w, 'wrong', options);
      assert.equal(status, 78, output);
      assert.equal(report.isReproducible, true, 'two uninterrupted builds are alike');
      for (const run of report.runs) {
        assert.equal(run.verdict, 'different', output);
        const contents = run.differences.filter(({ what }) => what === 'content');
        assert.deepEqual(
          contents.map(({ path }) => path),
          ['wrong.txt!notes', 'wrong.txt!stamp'],
        );
        for (const { first } of contents) assert.ok(first !== null && first.a !== first.b);
        assert.deepEqual(readdirSync(run.outputDir ?? ''), ['wrong.txt']);
      }
    });

    it('finds nothing wrong with that script where it goes on at the statement', async () => {
      const w = make({ wrong: { build: wrong, resume: 'statement' } });
      const options = ['--runs', '1', '--interruptions', '2', '--seed', SEED];
      const { status, report, output } = await prove(w, 'wrong', options);
      assert.equal(status, 0, output);
      assert.equal(report.uninterrupted?.statements, 10);
      assert.ok((report.runs[0]?.interruptions.length ?? 0) > 0, output);
    });

    it('finds a script that puts the time and a random number into its output, and says that interruptions have nothing to do with it', async () => {
      const build = `${units}make -j1; ${unreproducible}; cat unit-* mark > "[% dest_dir %]/[% c("filename") %]"`;
      const w = make({ wrong: { build, resume } });
      const options = ['--runs', '1', '--interruptions', '1', '--seed', SEED];
      const { status, report, output } = await prove(w, 'wrong', options);
      assert.equal(status, 78, output);
      assert.equal(report.isReproducible, false);
      assert.deepEqual(
        report.runs[0]?.differences.map(({ path, what }) => [path, what]),
        [['wrong.txt', 'content']],
      );
      const alone = await prove(w, 'wrong', ['--runs', '1', '--interruptions', '0']);
      assert.equal(alone.status, 78, alone.output);
      assert.deepEqual(
        alone.report.runs.map(({ passage, interruptions, verdict }) => [
          passage,
          interruptions.length,
          verdict,
        ]),
        [['none', 0, 'different']],
      );
      assert.equal(alone.report.isReproducible, false);
      assert.doesNotMatch(alone.output, /building once more/);
    });

    it('is not content with equal bytes of a leg that started clean, or of a build that nothing has interrupted', async () => {
      // Without its temporary folder a tree is not taken back; the bytes are equal all the same.
      const withoutFolder = 'rm -r "[% dest_dir %]"; sleep 2; mkdir "[% dest_dir %]"';
      const output = 'echo x > "[% dest_dir %]/[% c("filename") %]"';
      const w = make({
        clean: { build: `${withoutFolder}; ${output}`, resume },
        short: { build: output, resume },
      });
      const options = ['--runs', '2', '--interruptions', '1', '--seed', SEED];
      const clean = await prove(w, 'clean', options);
      assert.equal(clean.status, 79, clean.output);
      assert.equal(clean.report.verdict, 'not-proven');
      for (const { remark } of clean.report.runs)
        assert.match(remark ?? '', /^leg 2 started clean: .*the folder \S+ in it is missing|is missing/);
      const short = await prove(w, 'short', options);
      assert.equal(short.status, 79, short.output);
      assert.match(short.report.runs[0]?.remark ?? '', /: never interrupted$/);
    });

    it('is not content with a leg of which nothing is kept', async () => {
      // What make calls a failure is never kept.
      const build = green.replace('make -j1', 'echo "make: *** [Makefile:1: x] Error 1"; make -j1');
      const w = make({ failing: { build, resume } });
      const options = ['--runs', '1', '--interruptions', '1', '--seed', SEED];
      const { status, report, output } = await prove(w, 'failing', options);
      assert.equal(status, 79, output);
      assert.match(report.runs[0]?.remark ?? '', /^leg 1 failed.*was failing already/);
    });

    it('says when the uninterrupted build fails, or when a resumed one does', async () => {
      const w = make({
        broken: { build: 'exit 3', resume },
        fragile: {
          build: `mkdir /var/tmp/once; sleep 2; echo x > "[% dest_dir %]/[% c("filename") %]"`,
          resume,
        },
      });
      const broken = await prove(w, 'broken', ['--runs', '1']);
      assert.equal(broken.status, 1, broken.output);
      assert.equal(broken.report.uninterrupted, null);
      const fragile = await prove(w, 'fragile', ['--runs', '1', '--interruptions', '1', '--seed', SEED]);
      assert.equal(fragile.status, 79, fragile.output);
      assert.match(fragile.report.runs[0]?.remark ?? '', /^leg 2 failed/);
    });

    it('refuses a project that is never resumed, and a command that builds another one', async () => {
      const w = make({ off: { build: 'true', resume: 'off' } });
      const off = await start(w, 'off', []).ended;
      assert.equal(off.status, 64, off.output);
      assert.match(off.stdout, /var\/resume of off is off/);
      const other = await w.command('prove', 'other', '--', w.rbmProgram, 'build', 'off');
      assert.match(other.output, /this is no `rbm build other`/);
    });

    it('ends when it is cancelled, and leaves no container and no store', async () => {
      const w = make({ long: { build: 'echo BEGIN; sleep 1000', resume } });
      const run = start(w, 'long', ['--runs', '1']);
      await w.untilLogged('long', 'BEGIN');
      await sleep(200);
      run.child.kill('SIGINT');
      const { status, output } = await run.ended;
      assert.equal(status, 76, output);
      assert.deepEqual(w.containers(), []);
      const [name = ''] = readdirSync(join(w.dir, 'resume-prove'));
      assert.ok(!existsSync(join(w.dir, 'resume-prove', name, 'uninterrupted', 'store')));
    });
  });
}
