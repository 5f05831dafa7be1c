import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Utils } from 'gitlab-ci-local/src/utils.js';
import { parse } from 'yaml';
import { GitlabApi } from '../../fixtures/rehearse/gitlab-api.js';
import { checked } from '../../fixtures/rehearse/machine.js';
import { BRANCH, makeRepository } from '../../fixtures/rehearse/place.js';
import { ciFiles } from '../../lib/ci/files.js';
import { plannedBuild } from './plans.js';

const PLAN = {
  ...{ project: 'firefox', step: 'build', targets: [] },
  builds: [plannedBuild('gcc'), plannedBuild('firefox', ['gcc'])],
};
const [{ text = '' } = {}] = ciFiles('gitlab', PLAN, { heavy: ['gcc', 'firefox'] });
const { script } = (parse(text) as Record<string, { script: string[] }>)['next-leg'] ?? { script: [] };

const INTERRUPTED = 'outcome=interrupted\nprogress=true\n';

describe('the last job of a pipeline for GitLab', () => {
  let [root, origin, commit] = ['', '', ''];
  before(() => {
    root = mkdtempSync(join(tmpdir(), 'rbm-resume-next-'));
    origin = join(root, 'origin');
    mkdirSync(origin);
    writeFileSync(join(origin, 'file'), '');
    makeRepository(origin);
    commit = checked('git', ['-C', origin, 'rev-parse', 'HEAD']).trim();
  });
  after(() => rmSync(root, { recursive: true }));

  interface Case {
    /** What each job has left. */
    readonly outcomes?: Readonly<Record<string, string>>;
    readonly env?: Readonly<Record<string, string>>;
    readonly mayPassVariables?: boolean;
  }

  /** Runs the script in a clone as GitLab would; how it ended, and what it has asked for. */
  async function next({ outcomes = {}, env = {}, mayPassVariables = true }: Case) {
    const api = await GitlabApi.start({ project: 7, refs: [BRANCH], mayPassVariables });
    api.tokens.add('of this job');
    const dir = mkdtempSync(join(root, 'work-'));
    checked('git', ['clone', '--quiet', origin, dir]);
    mkdirSync(join(dir, '.rbm-resume'));
    for (const [job, outcome] of Object.entries(outcomes))
      writeFileSync(join(dir, '.rbm-resume', `${job}.outcome`), outcome);
    const child = spawn('bash', ['-eo', 'pipefail', '-c', script.join('\n')], {
      cwd: dir,
      env: {
        ...{ PATH: process.env.PATH, CI_JOB_TOKEN: 'of this job', CI_API_V4_URL: api.url },
        ...{ CI_PROJECT_ID: '7', CI_COMMIT_REF_NAME: BRANCH, CI_COMMIT_SHA: commit },
        ...{ RBM_RESUME_LEG: '4', RBM_RESUME_STALLED: '1', RBM_RESUME_MERGE_REQUEST: '' },
        ...env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let said = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (bytes: Buffer) => (said += bytes.toString()));
    const status = await new Promise((resolve) => child.once('close', resolve));
    await api.stop();
    return { status, said, triggered: api.triggered };
  }

  const trigger = (stalled: string, request = '') => [
    {
      ref: BRANCH,
      variables: {
        ...{ RBM_RESUME_LEG: '5', RBM_RESUME_STALLED: stalled },
        RBM_RESUME_MERGE_REQUEST: request,
      },
    },
  ];

  it('begins another leg after one that was interrupted, and says that it is not the end', async () => {
    const { status, said, triggered } = await next({
      outcomes: { gcc: INTERRUPTED, firefox: 'outcome=waiting\n' },
    });
    assert.deepEqual([status, triggered], [75, trigger('0')], said);
    assert.match(said, /Not finished yet: leg 5/);
  });

  it('stays with the merge request that the first leg was of', async () => {
    const outcomes = { gcc: INTERRUPTED };
    const first = await next({ outcomes, env: { CI_MERGE_REQUEST_IID: '12' } });
    assert.deepEqual(first.triggered, trigger('0', '12'), first.said);
    const second = await next({ outcomes, env: { RBM_RESUME_MERGE_REQUEST: '12' } });
    assert.deepEqual(second.triggered, trigger('0', '12'), second.said);
  });

  it('counts a leg of which a job was lost with its machine as one without progress, up to a number', async () => {
    const lost = await next({});
    assert.deepEqual([lost.status, lost.triggered], [75, trigger('2')], lost.said);
    const last = await next({ env: { RBM_RESUME_STALLED: '2' } });
    assert.deepEqual([last.status, last.triggered], [1, []]);
    assert.match(last.said, /3 legs in a row have come to nothing/);
  });

  it('begins none where all is built, nor where a build has failed', async () => {
    const finished = 'outcome=finished\nprogress=true\n';
    const done = await next({ outcomes: { gcc: finished, firefox: finished } });
    assert.deepEqual([done.status, done.triggered], [0, []]);
    const failed = await next({
      outcomes: { gcc: 'outcome=failed\nprogress=false\n', firefox: INTERRUPTED },
    });
    assert.deepEqual([failed.status, failed.triggered], [1, []]);
  });

  it('begins none where the branch has moved on, unless that is only the merge of a merge request', async () => {
    const moved = { outcomes: { gcc: INTERRUPTED }, env: { CI_COMMIT_SHA: '1'.repeat(40) } };
    const stopped = await next(moved);
    assert.deepEqual([stopped.status, stopped.triggered], [0, []]);
    assert.match(stopped.said, new RegExp(`has moved on to ${commit}`));
    const merge = await next({
      ...moved,
      env: { ...moved.env, CI_MERGE_REQUEST_SOURCE_BRANCH_SHA: commit },
    });
    assert.deepEqual([merge.status, merge.triggered], [75, trigger('0')], merge.said);
  });

  it('says what GitLab answers and which setting it may be about', async () => {
    const { status, said, triggered } = await next({
      outcomes: { gcc: INTERRUPTED },
      mayPassVariables: false,
    });
    assert.deepEqual([status, triggered], [1, []]);
    assert.match(said, /Insufficient permissions to set pipeline variables/);
    assert.match(said, /Minimum role to use pipeline variables/);
    const refused = await next({ outcomes: { gcc: INTERRUPTED }, env: { CI_JOB_TOKEN: 'of another' } });
    assert.deepEqual([refused.status, refused.triggered], [1, []]);
  });

  it('has legs of a merge request’s class where another leg has taken that on', () => {
    const [{ text: signed = '' } = {}] = ciFiles('gitlab', PLAN, {
      ...{ policy: 'policy.yml', command: 'echo', prepare: ['true'] },
    });
    const { light } = parse(signed) as Record<string, { script: string[] }>;
    const classOf = (env: Readonly<Record<string, string>>) => {
      const { stdout, stderr } = spawnSync('bash', ['-c', String(light?.script.join('\n'))], {
        cwd: mkdtempSync(join(root, 'leg-')),
        env: {
          ...{
            PATH: process.env.PATH,
            CI_JOB_STARTED_AT: '',
            CI_PROJECT_DIR: '/',
            CI_COMMIT_REF_PROTECTED: 'true',
          },
          ...{ RBM_RESUME_LEG: '2', RBM_RESUME_STALLED: '0', RBM_RESUME_MERGE_REQUEST: '' },
          ...env,
        },
        encoding: 'utf8',
      });
      return /--class (\S+)/.exec(stdout)?.[1] ?? stderr;
    };
    assert.equal(classOf({}), 'protected');
    assert.equal(classOf({ CI_MERGE_REQUEST_IID: '12' }), 'pr/12');
    assert.equal(classOf({ RBM_RESUME_MERGE_REQUEST: '12' }), 'pr/12');
  });

  it('has caches of a merge request apart from those of a branch, the same ones in each of its legs', () => {
    const { gcc } = parse(text) as Record<string, { cache: { key: string }[] }>;
    const keys = (env: Readonly<Record<string, string>>) =>
      gcc?.cache.map(({ key }) => Utils.expandText(key, { CI_COMMIT_REF_SLUG: 'main', ...env }));
    const branch = keys({ RBM_RESUME_MERGE_REQUEST: '' });
    const first = keys({ CI_MERGE_REQUEST_IID: '12', RBM_RESUME_MERGE_REQUEST: '' });
    assert.deepEqual(first, ['rbm-firefox-gcc-main-12', 'rbm-firefox-gcc-clones-12']);
    assert.deepEqual(keys({ RBM_RESUME_MERGE_REQUEST: '12' }), first);
    assert.deepEqual(branch, ['rbm-firefox-gcc-main-', 'rbm-firefox-gcc-clones-']);
  });

  it('has a script that dash takes, too', () => {
    assert.equal(spawnSync('dash', ['-n'], { input: script.join('\n') }).status, 0);
  });
});
