import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { PlannedBuild } from '../../lib/plan/planned-build.js';
import { buildOf, planOf } from '../plan/plans.js';
import { packageDir } from '../rbm/workspace.js';

const build = (project: string, ...needs: string[]) => buildOf(project, { needs });

describe('rbm-resume ci', () => {
  let dir = '';
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'rbm-resume-ci-'));
    writeFileSync(join(dir, 'rbm.conf'), '');
    writePlan(build('gcc'), build('tor', 'gcc'));
  });
  afterEach(() => rmSync(dir, { recursive: true }));
  const writePlan = (...builds: PlannedBuild[]): void =>
    writeFileSync(join(dir, 'plan.json'), JSON.stringify(planOf(builds)));
  const ci = (...args: string[]) =>
    spawnSync(
      process.execPath,
      [join(packageDir, 'dist/cli/main.js'), 'ci', ...args, '--plan', 'plan.json'],
      {
        cwd: dir,
        encoding: 'utf8',
      },
    );
  const jobs = () =>
    [
      ...readFileSync(join(dir, '.gitlab/rbm-tor.gitlab-ci.yml'), 'utf8').matchAll(/^([\w-]+):\n {2}stage/gm),
    ].map(([, name]) => name);

  it('writes what a service needs, and says with --check whether that is up to date', () => {
    assert.equal(ci('github', 'tor', '--check').status, 78);
    const { status, stdout, stderr } = ci('github', 'tor');
    assert.equal(status, 0, stderr);
    assert.equal(
      stdout,
      'written: .github/workflows/rbm-tor.yml\nwritten: .github/workflows/rbm-tor-next.yml\n',
    );
    assert.equal(ci('github', 'tor', '--check').status, 0);
    writePlan(build('gcc'), build('zlib'), build('tor', 'gcc', 'zlib'));
    const later = ci('github', 'tor', '--check');
    assert.deepEqual(
      [later.status, later.stdout.split('\n')[0]],
      [78, 'not up to date: .github/workflows/rbm-tor.yml'],
    );
  });

  it('makes jobs of those that are named, and of those that took long', () => {
    assert.equal(ci('gitlab', 'tor').status, 0);
    assert.deepEqual(jobs(), ['light', 'tor', 'next-leg']);
    writeFileSync(join(dir, 'times.json'), JSON.stringify({ gcc: 4000, tor: 60, firefox: 99_999 }));
    const { status, stderr } = ci('gitlab', 'tor', '--heavy-over', '1h', '--times', 'times.json');
    assert.equal(status, 0, stderr);
    assert.deepEqual(jobs(), ['gcc', 'light', 'next-leg']);
  });

  it('refuses what it can not do, and says why', () => {
    const cases: [string[], RegExp][] = [
      [['jenkins', 'tor'], /jenkins/],
      [['github', 'firefox'], /plan of tor, not of firefox/],
      [['github', 'tor', '--heavy', 'rust'], /rust is not among what is built/],
      [['github', 'tor', '--limit', '0s'], /not a number of seconds or legs: 0/],
      [['github', 'tor', '--heavy-over', '1h'], /belong together/],
      [['woodpecker', 'tor', '--bump', 'true'], /--bump is for github and gitlab, not for woodpecker/],
      [
        ['woodpecker', 'tor', '--remote', 'oci://a/b'],
        /--remote is for github and gitlab[^]*RBM_RESUME_REMOTE/,
      ],
    ];
    for (const [args, expected] of cases) {
      const { status, stderr } = ci(...args);
      assert.equal(status, 64, stderr);
      assert.match(stderr, expected);
    }
    assert.equal(ci('github', 'tor', '--check').status, 78, 'nothing was written');
  });

  it('refuses a plan or times that are not there, or are something else', () => {
    const slow = (file: string) => ci('github', 'tor', '--heavy-over', '1h', '--times', file).status;
    assert.equal(slow('times.json'), 66);
    writeFileSync(join(dir, 'times.json'), '{"gcc": "long"}');
    assert.equal(slow('times.json'), 77);
    writeFileSync(join(dir, 'plan.json'), '{}');
    assert.equal(ci('github', 'tor').status, 77);
    rmSync(join(dir, 'plan.json'));
    assert.equal(ci('github', 'tor').status, 66);
  });
});
