import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { parse } from 'yaml';
import { isMet, type Status } from '../../fixtures/rehearse/github-expressions.js';
import { VERDICT } from '../../lib/ci/github-follow-up.js';
import { ciFiles } from '../../lib/ci/files.js';
import { plannedBuild } from './plans.js';

const PLAN = {
  ...{ project: 'firefox', step: 'build', targets: [] },
  builds: [plannedBuild('gcc'), plannedBuild('clang', ['gcc']), plannedBuild('firefox', ['clang'])],
};
const HEAVY = { heavy: ['gcc', 'clang', 'firefox'] };

describe('the workflow that runs another one again on GitHub', () => {
  const root = mkdtempSync(join(tmpdir(), 'rbm-resume-github-'));
  after(() => rmSync(root, { recursive: true }));

  const [, { text = '' } = {}] = ciFiles('github', PLAN, HEAVY);
  const { jobs } = parse(text) as { jobs: Record<string, { steps: { run: string }[] }> };
  const gh = `#!/bin/sh
case "$1 $2" in
"api --paginate") echo "$VERDICT";;
"api repos/"*) echo "$STATE $COMMIT $REPOSITORY main";;
"api --method") [ -n "$RUNS" ] && printf '%s\\n' "$RUNS";;
*) echo "$*" >> "$ASKED";;
esac\n`;

  /** What it asks for after a run that ended so. */
  function asked(env: Readonly<Record<string, string>>): string {
    const file = join(mkdtempSync(join(root, 'leg-')), 'asked');
    writeFileSync(file, '');
    writeFileSync(join(root, 'gh'), gh, { mode: 0o755 });
    const { status, stderr, stdout } = spawnSync(
      'bash',
      ['-euo', 'pipefail', '-c', String(jobs.next?.steps[0]?.run)],
      {
        encoding: 'utf8',
        env: {
          ...{ PATH: `${root}:${process.env.PATH}`, ASKED: file, GITHUB_REPOSITORY: 'o/r' },
          ...{ RUN: '8', ATTEMPT: '1', COMMIT: 'abc', STATE: `completed ${env.ATTEMPT ?? 1} failure 5 push` },
          ...{ REPOSITORY: '1', RUNS: '1 abc', VERDICT: VERDICT.progress },
          ...env,
        },
      },
    );
    return (
      readFileSync(file, 'utf8').trim() || (status === 0 ? stdout.trim() : `${status} ${stdout}${stderr}`)
    );
  }

  it('does so where it was interrupted', () => {
    assert.equal(asked({}), 'run rerun 8 --repo o/r');
    assert.equal(asked({ VERDICT: VERDICT.stalled }), 'run rerun 8 --repo o/r');
    assert.match(asked({ VERDICT: VERDICT.failed }), /^Nothing to go on with/);
    assert.match(asked({ VERDICT: '' }), /did not come to its last job/);
  });

  it('does not where the next leg has begun already, nor where somebody has cancelled the run', () => {
    assert.match(asked({ STATE: 'in_progress 2 null 5 push' }), /has begun already/);
    assert.match(asked({ STATE: 'completed 1 cancelled 5 push' }), /^Nothing to go on with: .*cancelled/);
  });

  it('is asked for by each run that was interrupted, since not each end of one that is run again is an event', () => {
    const [{ text: first = '' } = {}] = ciFiles('github', PLAN, HEAVY);
    const { complete } = (parse(first) as { jobs: Record<string, { steps: { if?: string; run: string }[] }> })
      .jobs;
    const step = complete?.steps.at(-1);
    assert.match(
      String(step?.run),
      /gh workflow run rbm-firefox-next\.yml .*\n.*run="\$GITHUB_RUN_ID" .*attempt=/,
    );
    const isAsked = (outcome: string, isFailed: boolean) => {
      const need = { result: 'success', outputs: { outcome } };
      const needs = { gcc: need, clang: need, firefox: need };
      return isMet(step?.if, { needs }, { isFailed, isCancelled: false });
    };
    assert.deepEqual(
      [isAsked('interrupted', true), isAsked('failed', true), isAsked('finished', false)],
      [true, false, false],
    );
  });

  it('does not where the branch has moved on, unless that is a branch of the same name elsewhere', () => {
    assert.match(asked({ RUNS: '1 def\n1 abc' }), /^main has moved on to def/);
    assert.equal(asked({ RUNS: '2 def\n1 abc\n1 older' }), 'run rerun 8 --repo o/r');
    assert.equal(asked({ RUNS: '', REPOSITORY: 'null' }), 'run rerun 8 --repo o/r');
  });

  it('begins another run where the service runs this one no more, and says so in a pull request', () => {
    assert.equal(asked({ ATTEMPT: '50' }), 'run rerun 8 --repo o/r');
    assert.equal(asked({ ATTEMPT: '51' }), 'workflow run rbm-firefox.yml --ref main --repo o/r');
    assert.match(
      asked({ ATTEMPT: '51', STATE: 'completed 51 failure 5 pull_request' }),
      /^1 ::error::.*50 times/,
    );
  });
});

it('no workflow for GitHub uses an action that wants a Node.js which its machines have no more', () => {
  // The first that run on Node.js 24; 20 was removed in September 2026.
  const first: Readonly<Record<string, number>> = {
    ...{ checkout: 5, 'setup-node': 5, 'upload-artifact': 6, 'cache/restore': 5, 'cache/save': 5 },
  };
  const files = ciFiles('github', PLAN, { ...HEAVY, bump: './bump' });
  const used = files.flatMap(({ text }) => [...text.matchAll(/uses: actions\/(.*)@v(\d+)$/gm)]);
  assert.ok(used.length > 20);
  for (const [, action = '', version] of used)
    assert.ok(Number(version) >= (first[action] ?? Infinity), action);
});

describe('what a leg on GitHub saves', () => {
  interface Step {
    readonly name: string;
    readonly if?: string;
    readonly uses?: string;
    readonly with?: Readonly<Record<string, unknown>>;
  }
  const [{ text = '' } = {}] = ciFiles('github', PLAN, HEAVY);
  const { jobs } = parse(text) as { jobs: Record<string, { steps: Step[] }> };
  const steps = (job: string, uses: string): Step[] =>
    (jobs[job]?.steps ?? []).filter((step) => step.uses?.startsWith(uses));

  /** The first words of the caches that are saved after a leg that said this. */
  const saved = (outputs: Readonly<Record<string, string>>, status: Partial<Status> = {}): string =>
    steps('gcc', 'actions/cache/save')
      .filter((step) =>
        isMet(step.if, { steps: { leg: { outputs } } }, { isFailed: false, isCancelled: false, ...status }),
      )
      .map(({ name }) => /Save (\w+)/.exec(name)?.[1])
      .join(' ');

  it('is also what it has built before it was interrupted, or before another build failed', () => {
    const all = 'snapshots out clones times';
    assert.equal(saved({ outcome: 'finished', progress: 'true' }), all);
    assert.equal(saved({ outcome: 'interrupted', progress: 'true' }), all);
    assert.equal(saved({ outcome: 'failed', progress: 'true' }, { isFailed: true }), all);
    assert.equal(saved({ outcome: 'interrupted', progress: 'false' }), 'snapshots clones times');
  });

  it('is nothing when it was killed: what it was writing may be half of it', () => {
    assert.equal(saved({}, { isFailed: true }), '');
    assert.equal(saved({}, { isCancelled: true }), '');
  });

  it('is found under the same paths by each job that needs it, which the service makes part of the key', () => {
    const pathOf = (job: string, uses: string) =>
      steps(job, uses).find(({ with: given }) => String(given?.key).startsWith('rbm-firefox-out-gcc-'))?.with
        ?.path;
    assert.equal(pathOf('gcc', 'actions/cache/save'), 'out/gcc\n.rbm-resume/gcc/published');
    for (const job of ['gcc', 'clang'])
      assert.equal(pathOf(job, 'actions/cache/restore'), pathOf('gcc', 'actions/cache/save'));
  });
});
