import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, describe, it } from 'node:test';
import type { Plan } from '../../lib/plan/planned-build.js';
import { makeWorkspace, packageDir } from '../rbm/workspace.js';

const COMMAND = [join(packageDir, 'dist', 'cli', 'main.js'), 'plan'];
const RBM = join(packageDir, 'fixtures', 'rbm', 'rbm');

describe('rbm-resume plan', { timeout: 600_000 }, () => {
  const workspace = makeWorkspace();
  after(() => rmSync(dirname(workspace), { recursive: true }));
  const plan = (args: readonly string[], cwd = workspace) =>
    spawnSync(process.execPath, [...COMMAND, ...args], { cwd, encoding: 'utf8' });

  it('prints the tree of what is built, and draws it', () => {
    const { status, stdout, stderr } = plan([
      'tally',
      '--target',
      'small',
      '--rbm',
      RBM,
      '--svg',
      'plan.svg',
    ]);
    assert.deepEqual([status, stderr], [0, '']);
    assert.equal(stdout, 'tally        to do\n└─ libtally  to do\n\n2 builds: 0 built, 0 kept, 2 to do\n');
    assert.match(
      readFileSync(join(workspace, 'plan.svg'), 'utf8'),
      /<title>What is built for tally \(small\)</,
    );
  });

  it('prints the plan as JSON, with what is not there', () => {
    rmSync(join(workspace, 'projects', 'common', 'container-image_bookworm.tar.zst'));
    const { status, stdout } = plan(['image', '--step', 'build', '--rbm', RBM, '--json']);
    assert.equal(status, 0);
    const [image] = (JSON.parse(stdout) as Plan).builds;
    assert.match(image?.output ?? '', /^out\/image\/container-image_image-[0-9a-f]{12}\.tar\.zst$/);
    assert.deepEqual(image?.unknown, ['input file container-image_bookworm.tar.zst: is not there']);
  });

  it('ends with what is wrong, outside of a workspace or with an rbm that is none', () => {
    assert.equal(plan(['tally'], '/').status, 64);
    assert.equal(plan(['tally', '--rbm', '/no/such/rbm']).status, 69);
    const { status, stderr } = plan(['tally', '--rbm', '/bin/echo']);
    assert.equal(status, 74);
    assert.match(stderr, /gave no plan/);
  });
});
