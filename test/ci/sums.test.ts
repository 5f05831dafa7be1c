import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, it } from 'node:test';
import { divideIntoJobs } from '../../lib/ci/jobs.js';
import { publishedDir, sumCommands, tidyCommands } from '../../lib/ci/settings.js';
import { readOutputs } from '../../lib/compare/read-outputs.js';
import { sha256Hex } from '../../lib/digest.js';
import { plannedBuild } from './plans.js';

const root = mkdtempSync(join(tmpdir(), 'rbm-resume-sums-'));
after(() => rmSync(root, { recursive: true }));

it('a job sums up what it has built under the names that provenance has for it', async () => {
  const [job] = divideIntoJobs([plannedBuild('a'), plannedBuild("it's")], []);
  assert.ok(job);
  mkdirSync(join(root, 'out/a/folder'), { recursive: true });
  writeFileSync(join(root, 'out/a/a.tar'), 'x');
  writeFileSync(join(root, 'out/a/folder/a .b'), 'y');
  mkdirSync(join(root, publishedDir(job)), { recursive: true });
  const told = (name: string): string => join(root, publishedDir(job), `${name}.provenance.json`);
  for (const shell of ['bash', 'dash']) {
    for (const name of ['a.tar', 'folder', 'b.tar']) writeFileSync(told(name), '');
    const script = sumCommands(job).join('\n');
    assert.equal(spawnSync(shell, ['-euc', script], { cwd: root, stdio: 'inherit' }).status, 0);
    assert.deepEqual(
      ['a.tar', 'folder', 'b.tar'].filter((name) => existsSync(told(name))),
      ['a.tar', 'folder'],
    );
    for (const name of ['a.tar', 'folder']) rmSync(told(name));
    const { outputs } = await readOutputs(join(root, publishedDir(job)));
    assert.deepEqual(
      [...outputs.values()].map(({ name, sha256 }) => [name, sha256]),
      [
        ['a.tar', sha256Hex('x')],
        ['folder/a .b', sha256Hex('y')],
      ],
    );
  }
});

it('a job that is finished carries no outputs of older versions on', () => {
  const builds = [plannedBuild('a'), plannedBuild('b', ['a']), plannedBuild('[c]')];
  const [job] = divideIntoJobs(builds, []);
  assert.ok(job);
  assert.deepEqual(
    job.roots.map(({ project }) => project),
    ['b', '[c]'],
  );
  const workspace = join(root, 'workspace');
  const rbm = join(root, 'rbm');
  writeFileSync(rbm, '#!/bin/sh\n[ ! -e broken ] && echo "$2-2/part" || exit 1\n', { mode: 0o755 });
  const old = ['a/a-1', 'b/b-1', 'b/.hidden', '[c]/[c]-1'];
  const current = ['a/a-2', 'b/b-2', '[c]/[c]-2'];
  for (const path of [...old, ...current]) {
    mkdirSync(join(workspace, 'out', path), { recursive: true });
    writeFileSync(join(workspace, 'out', path, 'part'), '');
  }
  const left = (): string[] =>
    [...old, ...current].filter((path) => existsSync(join(workspace, 'out', path, 'part')));
  const tidy = (shell: string): string => {
    const script = tidyCommands({ rbm }, [job]).join('\n');
    const { status, stdout } = spawnSync(shell, ['-euc', script], { cwd: workspace, encoding: 'utf8' });
    assert.equal(status, 0);
    return stdout;
  };
  writeFileSync(join(workspace, 'broken'), '');
  assert.equal(tidy('bash'), '', 'where rbm tells no name, nothing is removed');
  assert.deepEqual(left(), [...old, ...current]);
  rmSync(join(workspace, 'broken'));
  assert.match(tidy('dash'), /An older version's: out\/b\/b-1\n/);
  // Of what is made on the way to b, rbm is not asked for each.
  assert.deepEqual(left(), ['a/a-1', 'b/.hidden', ...current]);
});
