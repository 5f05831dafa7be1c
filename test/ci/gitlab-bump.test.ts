import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { parse } from 'yaml';
import { ciFiles } from '../../lib/ci/files.js';
import { bumpScript } from '../../lib/ci/gitlab-bump.js';
import { preview } from './gitlab-preview.js';
import { plannedBuild } from './plans.js';

const PLAN = {
  ...{ project: 'tor', step: 'build', targets: [] },
  builds: [plannedBuild('zlib'), plannedBuild('tor', ['zlib'])],
};

describe('the look for newer versions on GitLab', () => {
  const root = mkdtempSync(join(tmpdir(), 'rbm-resume-gitlab-bump-'));
  after(() => rmSync(root, { recursive: true }));

  /** Runs the script in a clone of a repository that takes push options as GitLab does. */
  function look(command: string, env: Readonly<Record<string, string>> = {}, branch?: string) {
    const dir = mkdtempSync(join(root, 'look-'));
    const run = (script: string) =>
      spawnSync('bash', ['-euo', 'pipefail', '-c', script], {
        cwd: dir,
        encoding: 'utf8',
        env: {
          ...{ PATH: process.env.PATH, HOME: dir, PROJECT: 'zlib', CI_SERVER_HOST: 'gitlab.example' },
          ...{ CI_PROJECT_URL: join(dir, 'origin'), RBM_RESUME_BUMP_TOKEN: 'secret', ...env },
        },
      });
    const made = run(`git init -q --bare --initial-branch=main origin.git
      git -C origin.git config receive.advertisePushOptions true
      printf '#!/bin/sh\\nenv | grep ^GIT_PUSH_OPTION_ | LC_ALL=C sort > ${dir}/options\\n' > origin.git/hooks/post-receive
      chmod +x origin.git/hooks/post-receive
      git clone -q origin.git work 2> /dev/null && cd work && echo 1 > zlib && git add zlib
      git -c user.name=a -c user.email=a@b commit -qm one && git push -q origin HEAD:main
      ${branch === undefined ? '' : `git push -q origin HEAD:${branch}`}`);
    assert.equal(made.status, 0, made.stderr);
    writeFileSync(join(dir, 'options'), '');
    const { status, stdout, stderr } = run(`cd work\n${bumpScript({ branch: 'main' }, command)}`);
    const log = run('git -C origin.git log --format=%s bump-zlib').stdout;
    return { status, said: stdout + stderr, log, options: readFileSync(join(dir, 'options'), 'utf8') };
  }

  it('opens a merge request with what it finds', () => {
    const { status, said, log, options } = look('echo 2 > "$PROJECT"');
    assert.equal(status, 0, said);
    assert.equal(log, 'Bump zlib\none\n');
    for (const option of ['create', 'target=main', 'title=Bump zlib', 'remove_source_branch'])
      assert.match(options, new RegExp(`=merge_request\\.${option}$`, 'm'));
  });

  it('does nothing where nothing is newer, or where a change is proposed already', () => {
    const old = look('echo 1 > "$PROJECT"');
    assert.deepEqual([old.status, old.log, old.options], [0, '', '']);
    assert.match(old.said, /nothing newer of zlib/);
    const proposed = look('echo 2 > "$PROJECT"', {}, 'bump-zlib');
    assert.deepEqual([proposed.status, proposed.log, proposed.options], [0, 'one\n', '']);
    assert.match(proposed.said, /proposed already/);
  });

  it('says which token is missing, and fails where the command does', () => {
    const without = look('echo 2 > "$PROJECT"', { RBM_RESUME_BUMP_TOKEN: '' });
    assert.deepEqual([without.status, without.log], [1, '']);
    assert.match(without.said, /RBM_RESUME_BUMP_TOKEN is missing/);
    const failed = look('echo 2 > "$PROJECT"; false');
    assert.notEqual(failed.status, 0);
    assert.equal(failed.log, '');
  });

  it('runs in pipelines of its own, in which nothing is built, and is right by the schema of GitLab', () => {
    const [{ text = '' } = {}] = ciFiles('gitlab', PLAN, { bump: './tools/bump "$PROJECT"' });
    const { status, stdout, stderr } = preview(root, text);
    assert.equal(status, 0, stderr + stdout);
    const { bump, ...others } = parse(text) as Record<string, { rules?: { if?: string; when?: string }[] }>;
    assert.deepEqual(bump?.rules, [{ if: '$RBM_RESUME_BUMP == "1"' }]);
    for (const name of ['light', 'tor', 'next-leg'])
      assert.deepEqual(others[name]?.rules?.[0], { if: '$RBM_RESUME_BUMP == "1"', when: 'never' });
  });
});
