import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { stringify } from 'yaml';
import { GitlabApi } from '../../fixtures/rehearse/gitlab-api.js';
import { Archives } from '../../fixtures/rehearse/gitlab-archives.js';
import { artifactsOf, cacheOf } from '../../fixtures/rehearse/gitlab-job.js';
import { parsePipeline, runPipeline, type Stage } from '../../fixtures/rehearse/gitlab-pipeline.js';
import { BRANCH, makeRepository } from '../../fixtures/rehearse/place.js';

/** The later ones stand first, so that needs alone put them in order. */
const PIPELINE = {
  stages: ['build', '.post'],
  workflow: { rules: [{ if: `$CI_COMMIT_BRANCH == '${BRANCH}'` }] },
  variables: { WORD: 'of the file' },
  last: {
    ...{ stage: '.post', when: 'always', needs: needs('second', 'third') },
    script: ['cat out/first broken > told', 'echo "$WORD" >> told', 'exit 75'],
    allow_failure: { exit_codes: [75] },
    artifacts: kept('told'),
  },
  third: { needs: needs('second'), script: ['echo never'] },
  second: {
    needs: needs('first'),
    script: ['cp out/first broken', 'echo lost > more', 'false', 'echo more > broken'],
    artifacts: kept('broken', 'out/'),
    cache: [{ key: 'good', paths: ['more'], when: 'on_success', policy: 'pull-push' }],
  },
  first: {
    ...{ stage: 'build', needs: [], timeout: '5 minutes' },
    retry: { max: 1, when: ['runner_system_failure'] },
    script: [
      'mkdir -p kept out; ls kept > out/first; touch "kept/$CI_JOB_ID"',
      'if [ "$CI_JOB_ID" = 1 ]; then sleep 600; fi',
    ],
    cache: [{ key: '$CI_COMMIT_REF_SLUG-a', paths: ['kept/'], when: 'always', policy: 'pull-push' }],
    artifacts: kept('out/'),
  },
};

function needs(...jobs: string[]) {
  return jobs.map((job) => ({ job, artifacts: true, optional: false }));
}

function kept(...paths: string[]) {
  return { paths, when: 'always', expire_in: '1 week' };
}

describe("the rehearsal's own GitLab", () => {
  let [root, origin] = ['', ''];
  let api: GitlabApi;
  let archives: Archives;
  before(async () => {
    root = mkdtempSync(join(tmpdir(), 'rbm-resume-gitlab-'));
    chmodSync(root, 0o755);
    origin = join(root, 'origin');
    mkdirSync(origin);
    writeFileSync(join(origin, 'file'), 'checked out\n');
    makeRepository(origin);
    archives = new Archives(join(root, 'archives'));
    api = await GitlabApi.start({ project: 1, refs: [BRANCH] });
  });
  after(async () => {
    await api.stop();
    rmSync(root, { recursive: true });
  });

  let machines = 0;
  const run = (pipeline: object, id: number, of: Partial<Stage> & { branch?: string } = {}) =>
    runPipeline(
      parsePipeline(stringify(pipeline)),
      { id, source: 'push', branch: of.branch ?? BRANCH, variables: { WORD: 'of the trigger' } },
      {
        ...{ root, origin, archives, api, kill: null, log: join(root, 'log') },
        ...{ env: { PATH: process.env.PATH ?? '' }, nextMachine: () => (machines += 1) },
        ...of,
      },
    );
  const told = (jobs: Awaited<ReturnType<typeof run>>) =>
    jobs?.map(({ name, status, reason, retries }) => [name, status, reason, retries]);

  it('runs jobs after those that they need, a killed one again, and carries what the service would carry', async () => {
    const first = await run(PIPELINE, 1, { kill: { job: 'first', afterMs: 200 } });
    assert.deepEqual(told(first), [
      ['first', 'success', null, 1],
      ['second', 'failed', 'script_failure', 0],
      ['third', 'skipped', null, 0],
      ['last', 'warning', 'allowed_failure', 0],
    ]);
    // Nothing of the killed machine; of the failed job what is kept always, and not its cache.
    assert.equal(archives.read(artifactsOf(1, 'last'), 'told'), 'of the trigger\n');
    assert.deepEqual([archives.has(cacheOf(`${BRANCH}-a`)), archives.has(cacheOf('good'))], [true, false]);

    await run(PIPELINE, 2);
    assert.equal(archives.read(artifactsOf(2, 'last'), 'told'), '2\n2\nof the trigger\n');
  });

  it('has no pipeline where its rules want none, and none for what it does not know', async () => {
    assert.equal(await run(PIPELINE, 3, { branch: 'other' }), null);
    assert.throws(() => run({ ...PIPELINE, strange: { script: [], services: [] } }, 4), /services/);
  });

  it('leaves a cache as it is that no file is newer than, and writes it again otherwise', async () => {
    const work = mkdtempSync(join(root, 'work-'));
    writeFileSync(join(work, 'file'), 'one\n');
    archives.put(cacheOf('c'), { work, paths: ['file'] });
    const before = archives.moved.saved;
    const runWith = async (script: string) =>
      told(
        await run(
          {
            stages: ['test'],
            job: {
              script: [script],
              cache: [{ key: 'c', paths: ['file'], when: 'always', policy: 'pull-push' }],
            },
          },
          5,
        ),
      );
    assert.deepEqual(await runWith('grep one file'), [['job', 'success', null, 0]]);
    assert.equal(archives.moved.saved, before);
    assert.deepEqual(await runWith('touch -d tomorrow file'), [['job', 'success', null, 0]]);
    assert.ok(archives.moved.saved > before);
  });
});
