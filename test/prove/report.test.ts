import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { formatMarkdown } from '../../lib/prove/describe-report.js';
import { parseRbmCommand } from '../../lib/prove/rbm-command.js';
import { exitStatusOf, verdictOf, type ProvedRun, type ProveReport } from '../../lib/prove/report.js';

describe('the verdict', () => {
  const of = (...verdicts: ProvedRun['verdict'][]) =>
    verdictOf(
      verdicts.map((verdict) => ({ verdict })),
      2,
    );

  it('is equal only where every planned run is', () => {
    assert.equal(of('equal', 'equal'), 'equal');
    assert.equal(of('equal'), 'not-proven');
    assert.equal(of(), 'not-proven');
    assert.equal(of('equal', 'not-proven'), 'not-proven');
    assert.equal(of('equal', 'failed'), 'failed');
    assert.equal(of('equal', 'cancelled'), 'cancelled');
    assert.equal(of('failed', 'different'), 'different');
  });

  it('decides the exit status, and only equal is green', () => {
    const statuses = (['equal', 'different', 'failed', 'not-proven', 'cancelled'] as const).map(exitStatusOf);
    assert.deepEqual(statuses, [0, 78, 79, 79, 76]);
  });
});

describe('parseRbmCommand', () => {
  it('takes rbm build apart', () => {
    const argv = ['perl', './rbm/rbm', 'build', '--target', 'release', 'clang', '--step=fetch'];
    const { program, rest, step } = parseRbmCommand(argv, 'clang');
    assert.deepEqual(program, ['perl', './rbm/rbm']);
    assert.deepEqual(rest, ['--target', 'release', 'clang', '--step=fetch']);
    assert.equal(step, 'fetch');
    assert.equal(parseRbmCommand(['rbm', 'build', 'clang'], 'clang').step, 'build');
  });

  it('refuses what is no rbm build, or builds another project', () => {
    for (const argv of [['make', 'clang'], ['rbm', 'build', 'rust'], ['build', 'clang'], []])
      assert.throws(() => parseRbmCommand(argv, 'clang'), { code: 'USAGE' });
  });
});

describe('formatMarkdown', () => {
  const run: ProvedRun = {
    number: 1,
    passage: 'snapshots',
    verdict: 'different',
    remark: 'finished before 1 of 2 interruptions',
    plannedInterruptions: 2,
    interruptions: [{ afterSeconds: 1.25, statement: { index: 3, of: 9 } }],
    scriptSeconds: 4,
    statementsRedone: null,
    compileCommandsRedone: 2,
    extraCpuSeconds: 0.5,
    redoneCpuSeconds: 0.2,
    resumingCpuSeconds: 0.3,
    outputs: [],
    differences: [
      { path: 'x.tar!y', what: 'content', first: { offset: 7, a: '```evil', b: 'b' }, lines: null },
    ],
    outputDir: '/work/run-1/output',
    diffoscope: null,
  };
  const report: ProveReport = {
    project: 'clang',
    command: ['rbm', 'build', 'clang'],
    seed: 42,
    verdict: 'different',
    remark: null,
    uninterrupted: null,
    runs: [run],
    isReproducible: false,
    workDir: '/work',
    exitStatus: 78,
  };

  it('has a table, the remarks and the differences, and ends with an empty line', () => {
    const text = formatMarkdown(report);
    assert.match(
      text,
      /^### rbm-resume prove: clang\n\n❌ clang: DIFFERENT; two uninterrupted builds differ, too/,
    );
    assert.match(
      text,
      /\| 1 +\| snapshots \| 1\.\d s \(statement 3 of 9\) \| unknown .* \| 2 .* \| 0\.2 s .* \| 0\.3 s .* \| different/,
    );
    assert.match(text, /Run 1: finished before 1 of 2 interruptions\./);
    assert.match(text, /x\.tar!y: other content, from byte 7 on/);
    assert.match(text, /\n\n$/);
  });

  it('tells what the processor did beside what it does without interruptions', () => {
    const uninterrupted = {
      ...{ scriptSeconds: 3, statements: 9, compileCommands: 6, scriptCpuSeconds: 3.5, outputs: [] },
      cpuSeconds: 4,
    };
    const text = formatMarkdown({ ...report, uninterrupted, runs: [{ ...run, redoneCpuSeconds: -0.01 }] });
    assert.match(text, /\| CPU redone +\| CPU for resuming +\|/);
    assert.match(text, /\| 0\.0 s \(0 %\) +\| 0\.3 s \(8 %\) +\|/);
    assert.match(text, /\n\n100 % are the 4\.0 s of processor time of the uninterrupted build\.\n/);
  });

  it('says how to find out that a project differs only now and then', () => {
    assert.match(
      formatMarkdown({ ...report, isReproducible: true }),
      /`prove --interruptions 0 --runs 20` tells/,
    );
  });

  it('lets no text of an output end its block', () => {
    assert.match(formatMarkdown(report), /\n````\nx\.tar!y[^]*```evil[^]*\n````\n/);
  });
});
