import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { isMet, type Status } from '../../fixtures/rehearse/github-expressions.js';
import { ciFiles } from '../../lib/ci/files.js';
import { plannedBuild } from './plans.js';

const PLAN = {
  ...{ project: 'firefox', step: 'build', targets: [] },
  builds: [plannedBuild('gcc'), plannedBuild('clang', ['gcc']), plannedBuild('firefox', ['clang'])],
};
const HEAVY = { heavy: ['gcc', 'clang', 'firefox'] };

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
