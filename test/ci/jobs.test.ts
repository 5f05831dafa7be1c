import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { allNeedsOf, divideIntoJobs, type CiJob, type JobBuild } from '../../lib/ci/jobs.js';

const build = (id: string, ...needs: string[]): JobBuild => ({
  ...{ id, project: id.replace(/ .*/, ''), step: 'build', targets: [], needs },
  output: `out/${id.replace(/ .*/, '')}/${id}.tar`,
});

const show = (jobs: readonly CiJob[]): string[] =>
  jobs.map(
    ({ id, builds, needs }) =>
      `${id}: ${builds.map((one) => one.id).join(' ')}${needs.length === 0 ? '' : ` after ${needs.join(' ')}`}`,
  );

describe('the jobs of a plan', () => {
  const BUILDS = [
    ...[build('image'), build('zlib', 'image'), build('gcc', 'image'), build('clang', 'gcc', 'zlib')],
    ...[build('rust', 'clang', 'image'), build('nss', 'gcc'), build('font'), build('tor', 'nss', 'zlib')],
    build('firefox', 'clang', 'rust', 'nss', 'font', 'tor'),
  ];

  it('are one for each heavy project, and one for the light ones that need the same heavy ones', () => {
    assert.deepEqual(show(divideIntoJobs(BUILDS, ['gcc', 'clang', 'rust', 'firefox'])), [
      'light: image zlib font',
      'gcc: gcc after light',
      'clang: clang after light gcc',
      'light-2: nss tor after light gcc',
      'rust: rust after light clang',
      'firefox: firefox after light clang rust light-2',
    ]);
  });

  it('have no id that means something else to a service, and each its own', () => {
    const names = ['image', 'complete', 'begin', 'next-leg', 'default', 'build-image', 'a b', 'a-b', '..'];
    const jobs = divideIntoJobs(
      names.map((name) => ({ ...build('x'), id: name, project: name })),
      names,
    );
    assert.deepEqual(
      jobs.map(({ id }) => id),
      [
        ...['build-image', 'build-complete', 'build-begin', 'build-next-leg', 'build-default'],
        ...['build-image-2', 'a-b', 'a-b-2', 'build-'],
      ],
    );
  });

  it('build with as few commands as there are builds that no other needs', () => {
    const [light] = divideIntoJobs(BUILDS, ['gcc']);
    assert.deepEqual(
      light?.roots.map(({ id }) => id),
      ['zlib', 'font'],
    );
    assert.deepEqual(light?.outputs, ['out/font', 'out/image', 'out/zlib']);
  });

  it('build what no command builds alone as a part of whatever needs it', () => {
    const image = { ...build('image', 'mmdebstrap'), isStandalone: false };
    const jobs = divideIntoJobs(
      [build('mmdebstrap'), image, build('gcc', 'image'), build('tor', 'image', 'gcc')],
      ['gcc', 'tor'],
    );
    assert.deepEqual(show(jobs), ['light: mmdebstrap', 'gcc: gcc after light', 'tor: tor after light gcc']);
    assert.deepEqual(
      jobs.map(({ outputs }) => outputs),
      [['out/mmdebstrap'], ['out/gcc', 'out/image'], ['out/image', 'out/tor']],
    );
  });

  it('have ids that every service takes, and that differ', () => {
    const jobs = divideIntoJobs(
      [build('7zip (linux)'), build('7zip [linux]'), build('a.b/c'), build('light')],
      ['7zip (linux)', '7zip [linux]', 'a.b/c', 'light'],
    );
    assert.deepEqual(
      jobs.map(({ id }) => id),
      ['build-7zip-linux', 'build-7zip-linux-2', 'a-b-c', 'light'],
    );
  });

  it('are refused where a heavy project is none of the plan', () => {
    assert.throws(() => divideIntoJobs(BUILDS, ['clnag']), { code: 'USAGE', message: /^clnag/ });
  });

  it('have every build once, and none before what it needs, whatever needs what', () => {
    const plans = fc
      .array(fc.tuple(fc.array(fc.nat(30), { maxLength: 4 }), fc.boolean()), { minLength: 1, maxLength: 30 })
      .map((rows) => ({
        builds: rows.map(([needs], at) =>
          build(`p${at}`, ...new Set(needs.filter((one) => one < at).map((one) => `p${one}`))),
        ),
        heavy: rows.flatMap(([, isHeavy], at) => (isHeavy ? [`p${at}`] : [])),
      }));
    fc.assert(
      fc.property(plans, ({ builds, heavy }) => {
        const jobs = divideIntoJobs(builds, heavy);
        assert.deepEqual(
          jobs.flatMap((job) => job.builds.map(({ id }) => id)).sort(),
          builds.map(({ id }) => id).sort(),
        );
        const done = new Set<string>();
        for (const job of jobs) {
          const known = new Set(allNeedsOf(job, jobs).flatMap((one) => one.builds.map(({ id }) => id)));
          const own = new Set(job.builds.map(({ id }) => id));
          for (const { needs } of job.builds)
            for (const need of needs) assert.ok(own.has(need) || (known.has(need) && done.has(need)), need);
          job.builds.forEach(({ id }) => done.add(id));
          assert.equal(job.isHeavy ? job.builds.length : 1, 1);
        }
      }),
      { numRuns: 200 },
    );
  });
});
