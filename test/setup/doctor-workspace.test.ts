import assert from 'node:assert/strict';
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { examineWorkspace } from '../../lib/setup/doctor/examine.js';
import type { Finding } from '../../lib/setup/doctor/finding.js';
import { findRbm } from '../../lib/setup/doctor/workspace.js';
import { SHIM_LIB, shimDocument } from '../../lib/setup/shim.js';
import { packageDir } from '../rbm/workspace.js';
import { localConfOf, makeWorkspace, rbmResume, root } from './init-workspace.js';

const rbm = join(packageDir, 'fixtures', 'rbm');

/** `CHECK STATUS: MESSAGE => CURE` of the findings about a workspace that are not plain ok's. */
async function troubles(workspace: string): Promise<string[]> {
  return (await findingsOf(workspace))
    .filter(({ status }) => status !== 'ok')
    .map(({ check, status, message, cure }) => `${check} ${status}: ${message} => ${cure}`);
}

async function findingsOf(workspace: string): Promise<Finding[]> {
  const findings = await examineWorkspace(workspace, { store: join(workspace, 'resume'), env: process.env });
  // How full the disk is that runs the tests is not what they are about.
  return findings.filter(({ check }) => !check.startsWith('disk/'));
}

function makeProject(workspace: string, name: string, config: string): void {
  const file = join(workspace, 'projects', name, 'config');
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, config);
}

const loaded = shimDocument(SHIM_LIB);

describe('doctor and rbm', () => {
  const env = { PATH: '/nowhere' };

  it('takes --rbm, then RBM_DIR, then the workspace, then PATH', async () => {
    const workspace = makeWorkspace();
    const bin = mkdtempSync(join(root, 'bin-'));
    symlinkSync(join(rbm, 'rbm'), join(bin, 'rbm'));
    const find = async (given: string | undefined, more: NodeJS.ProcessEnv) =>
      (await findRbm({ given, env: { ...env, ...more }, workspace })).finding.message;
    assert.match(await find(undefined, { PATH: `/nowhere:${bin}` }), new RegExp(`^${rbm}, by PATH`));
    symlinkSync(rbm, join(workspace, 'rbm'));
    assert.equal(await find(undefined, { PATH: bin }), `${join(workspace, 'rbm')}, in the workspace`);
    assert.equal(await find(undefined, { RBM_DIR: rbm }), `${rbm}, named by RBM_DIR`);
    assert.equal(await find(rbm, { RBM_DIR: '/wrong' }), `${rbm}, named by --rbm`);
  });

  it('does not look further when what is named is wrong', async () => {
    const workspace = makeWorkspace();
    symlinkSync(rbm, join(workspace, 'rbm'));
    const { dir, finding } = await findRbm({ given: root, env, workspace });
    assert.deepEqual([dir, finding.status], [null, 'problem']);
    assert.equal((await findRbm({ given: undefined, env: { RBM_DIR: root }, workspace })).dir, null);
  });

  it('misses it in a workspace whose rbm/ is empty', async () => {
    const workspace = makeWorkspace();
    mkdirSync(join(workspace, 'rbm'));
    const { finding } = await findRbm({ given: undefined, env, workspace });
    assert.equal(finding.status, 'problem');
    assert.match(finding.cure ?? '', /git submodule/);
  });
});

describe('doctor and rbm.local.conf', () => {
  it('is content with what init writes', async () => {
    const findings = await findingsOf(makeWorkspace(`container: {user: x}\n${loaded}---\ndebug: 0\n`));
    assert.deepEqual(
      findings.filter(({ status }) => status !== 'ok'),
      [],
    );
    assert.match(findings.find(({ check }) => check === 'local-conf')?.message ?? '', /on line 2, from/);
  });

  for (const [name, conf, trouble] of [
    ['no file', undefined, /^local-conf problem: there is no .* => rbm-resume init$/],
    ['no shim', 'debug: 0\n', /^local-conf problem: .*doesn't load the shim, .* => rbm-resume init$/],
    [
      'a path that is gone',
      shimDocument('/gone'),
      /^local-conf problem: .*no RBM\/Resume\.pm in \/gone => Change .*perl-shim/,
    ],
    [
      'no options()',
      loaded.replace(/.*options.*\n/, ''),
      /^local-conf problem: .*doesn't return its options/,
    ],
    [
      'a later container',
      `${loaded}---\ncontainer: {user: x}\n`,
      /^local-conf problem: .*line 6.* => Move the document/,
    ],
    [
      'a later container in Perl',
      `${loaded}--- |\n  (container => {})\n`,
      /^local-conf problem: .*line 5.* => Move/,
    ],
    [
      'two containers',
      loaded.replace('  RBM::', '  container => {}, RBM::'),
      /^local-conf warning: .*only one survives/,
    ],
    [
      'an earlier container in Perl',
      `--- (container => {})\n${loaded}`,
      /^local-conf warning: .*takes its place/,
    ],
    ['no YAML', 'a: [\n', /^config problem: .*no YAML/],
  ] as const) {
    it(`sees ${name}`, async () => {
      const found = await troubles(makeWorkspace(conf));
      assert.equal(found.length, 1, found.join('\n'));
      assert.match(found[0] ?? '', trouble);
    });
  }

  it('accepts two containers that are merged', async () => {
    const merged = loaded
      .replace('  RBM::', '  my %r = RBM::')
      .concat('  container => { a => 1, %{$r{container}} }\n');
    assert.deepEqual(await troubles(makeWorkspace(merged)), []);
  });
});

describe('doctor and projects', () => {
  it('lists those that can be kept', async () => {
    const findings = await findingsOf(makeWorkspace(loaded));
    const { message } = findings.find(({ check }) => check === 'resume-values') ?? { message: '' };
    assert.equal(message, '3 of 3 projects can be kept: image, libtally, tally');
  });

  it('warns when there is none', async () => {
    const workspace = makeWorkspace(loaded);
    for (const name of ['image', 'libtally', 'tally']) makeProject(workspace, name, 'var:\n  resume: off\n');
    assert.match(
      (await troubles(workspace)).join(),
      /^resume-values warning: var\/resume is off for all of the 3 projects.*`resume: statement`/,
    );
    // A project's own value comes before a default.
    appendFileSync(localConfOf(workspace), '---\nvar:\n  resume: rerun\n');
    assert.match((await troubles(workspace)).join(), /off for all of the 3/);
    makeProject(workspace, 'tally', 'version: 1\n');
    assert.deepEqual(await troubles(workspace), []);
  });

  it('refuses other values, in targets and steps too, and takes templates', async () => {
    const workspace = makeWorkspace(loaded);
    makeProject(workspace, 'a', 'var: { resume: true }\n');
    makeProject(workspace, 'b', 'targets: { nightly: { var: { resume: Rerun } } }\n');
    makeProject(workspace, 'c', 'steps: { build: { targets: { x: { var: { resume: "[% 1 %]" } } } } }\n');
    makeProject(workspace, 'd', 'var: { resume: yes }\n---\nvar: { other: 1 }\n');
    const found = await troubles(workspace);
    assert.deepEqual(
      found.map((text) => text.replace(/^.*projects\/|, with.*$/g, '')),
      ['a/config: var/resume is true', 'b/config: targets/nightly/var/resume is "Rerun"'],
    );
  });

  for (const [option, config, status] of [
    ['remote_get', 'remote_get: x', 'ok'],
    ['container/remote_get', 'container: { remote_get: x }', 'ok'],
    ['remote_put', 'remote_put: x', 'warning'],
    ['remote_exec', 'remote_exec: x', 'problem'],
    ['container/remote_exec', 'container: { remote_exec: x }', 'problem'],
    ['remote_finish', 'remote_finish: x', 'problem'],
    ['container/remote_start', 'container: { remote_start: x }', 'problem'],
    ['targets/t/container/remote_finish', 'targets: { t: { container: { remote_finish: x } } }', 'problem'],
    ['steps/s/targets/t/remote_exec', 'steps: { s: { targets: { t: { remote_exec: x } } } }', 'problem'],
    ['override.remote_exec', 'override.remote_exec: x', 'problem'],
  ] as const) {
    it(`judges ${option} of a project: ${status}`, async () => {
      const workspace = makeWorkspace(loaded);
      const statusOf = async (resume: string) => {
        makeProject(workspace, 'p', `var: { resume: ${resume} }\n${config}\n`);
        return (await findingsOf(workspace)).find(({ check }) => check === `override/p/${option}`)?.status;
      };
      assert.equal(await statusOf('rerun'), status);
      assert.equal(await statusOf('off'), 'ok');
    });
  }

  it('lets an option pass that is empty, or hands on to the shim', async () => {
    const workspace = makeWorkspace(loaded);
    makeProject(
      workspace,
      'p',
      'var: {resume: rerun}\nremote_exec: ""\nremote_start: "[% c(\'container/remote_start\') %]"\n',
    );
    const checks = (await findingsOf(workspace))
      .map(({ check }) => check)
      .filter((check) => check.startsWith('override/p'));
    assert.deepEqual(checks, []);
  });

  it('looks at rbm.conf and at the targets of rbm.local.conf', async () => {
    const workspace = makeWorkspace(`targets: {t: {container: {remote_exec: x}}}\n${loaded}`);
    appendFileSync(join(workspace, 'rbm.conf'), '---\nremote_start: x\n---\ncontainer: {remote_exec: x}\n');
    assert.deepEqual(
      (await troubles(workspace)).map((text) => text.split(': ')[0]),
      [
        'override/rbm.local.conf/targets/t/container/remote_exec problem',
        'override/rbm.conf/remote_start problem',
      ],
    );
  });

  it('reads projects_dir and modules, and names a file that it can not read', async () => {
    const workspace = makeWorkspace(loaded);
    appendFileSync(join(workspace, 'rbm.conf'), '---\nprojects_dir: elsewhere\n');
    rmSync(join(workspace, 'projects'), { recursive: true });
    makeProject(workspace, '../elsewhere/a', 'var: {resume: rerun}\n');
    makeProject(workspace, '../modules/m/projects/b', 'var: {resume: rerun}\n');
    makeProject(workspace, '../elsewhere/bad', 'a: [\n');
    const findings = await findingsOf(workspace);
    assert.match(findings.map(({ message }) => message).join('\n'), /2 of 2 projects can be kept: a, b/);
    assert.match(
      (await troubles(workspace)).join(),
      /^project-config warning: .*elsewhere\/bad\/config is no YAML/,
    );
  });
});

describe('rbm-resume doctor', () => {
  const env = { ...process.env, RBM_DIR: rbm };

  it('prints a line for each finding, and ends with 0 or 69', async () => {
    const workspace = makeWorkspace(loaded);
    const good = await rbmResume(['doctor'], { cwd: workspace, env });
    assert.equal(good.status, 0, good.stdout);
    assert.match(good.stdout, /^ok {6}rbm: .*named by RBM_DIR$/m);
    rmSync(localConfOf(workspace));
    const bad = await rbmResume(['doctor', '--rbm', root], { cwd: workspace, env });
    assert.equal(bad.status, 69);
    assert.match(bad.stdout, /^problem local-conf: .*\n {8}rbm-resume init$/m);
    assert.match(bad.stdout, /^problem rbm: .*--rbm/m);
  });

  it('prints the findings as JSON, outside a workspace too', async () => {
    const { status, stdout } = await rbmResume(['doctor', '--json'], { cwd: root, env });
    const { findings, isFit } = JSON.parse(stdout) as { findings: Finding[]; isFit: boolean };
    assert.deepEqual([status, isFit], [0, true]);
    assert.ok(findings.some(({ check, cure }) => check === 'workspace' && cure === null));
  });
});
