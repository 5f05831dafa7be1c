import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { builderOf } from '../../lib/container/builder.js';

describe('the builder of a leg', () => {
  it('is who is named, else the job as its service tells it, else nobody', () => {
    const github = {
      ...{ GITHUB_SERVER_URL: 'https://github.com', GITHUB_REPOSITORY: 'a/b', GITHUB_RUN_ID: '7' },
      ...{ GITHUB_RUN_ATTEMPT: '2', GITHUB_JOB: 'clang' },
    };
    assert.equal(builderOf(github), 'https://github.com/a/b/actions/runs/7/attempts/2 clang');
    assert.equal(builderOf({ ...github, RBM_RESUME_BUILDER: 'my machine' }), 'my machine');
    assert.equal(builderOf({ CI_JOB_URL: 'https://gitlab.com/a/-/jobs/1' }), 'https://gitlab.com/a/-/jobs/1');
    assert.equal(
      builderOf({ CI_PIPELINE_URL: 'https://w/1', CI_STEP_URL: 'https://w/1/2' }),
      'https://w/1/2',
    );
    assert.equal(builderOf({ CIRRUS_TASK_ID: '5' }), 'https://cirrus-ci.com/task/5');
    for (const env of [{}, { RBM_RESUME_BUILDER: '' }, { RBM_RESUME_BUILDER: '\n' }])
      assert.equal(builderOf(env), null);
  });

  it('is one line of bounded length, as a record takes it', () => {
    assert.equal(builderOf({ RBM_RESUME_BUILDER: ' a\n\u001b[31mb\t' }), 'a [31mb');
    assert.equal(builderOf({ RBM_RESUME_BUILDER: 'x'.repeat(5000) })?.length, 1000);
  });
});
