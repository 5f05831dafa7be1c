import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { packageDir } from './rbm/workspace.js';

const node = (args: readonly string[]) =>
  spawnSync(process.execPath, args, { cwd: packageDir, encoding: 'utf8' });
const command = (...args: string[]) => node(['dist/cli/main.js', ...args]);

describe('the package', () => {
  it('is imported and required, with the same functions', () => {
    const print = 'console.log(Object.keys(m).sort().join(" "))';
    const imported = node(['--input-type=module', '-e', `import * as m from 'rbm-resume'; ${print}`]);
    const required = node(['--input-type=commonjs', '-e', `const m = require('rbm-resume'); ${print}`]);
    assert.equal(imported.status, 0, imported.stderr);
    assert.match(imported.stdout, /\blistKept\b.*\bprojectHash\b.*\brunBuild\b/);
    assert.equal(required.stdout.replace('module.exports ', ''), imported.stdout, required.stderr);
  });

  it('exports itself and package.json, and nothing else', () => {
    const { status } = node(['-e', `require('rbm-resume/package.json')`]);
    assert.equal(status, 0);
    const inner = node(['-e', `require('rbm-resume/dist/store/lock.js')`]);
    assert.match(inner.stderr, /ERR_PACKAGE_PATH_NOT_EXPORTED/);
  });
});

describe('the command', () => {
  it('prints its version, and its help for every verb', () => {
    assert.match(command('--version').stdout, /^\d+\.\d+\.\d+\n$/);
    for (const verb of [
      'run',
      'prove',
      'plan',
      'interrupt',
      'status',
      'list',
      'remove',
      'prune',
      'init',
      'doctor',
      'explain',
    ]) {
      const { status, stdout } = command(verb, '--help');
      assert.equal(status, 0);
      assert.match(stdout, new RegExp(`Usage: rbm-resume ${verb}`));
    }
  });

  it('ends with 64 after wrong usage, and says what is wrong', () => {
    for (const args of [
      ['nonsense'],
      ['run'],
      ['list', '--nonsense'],
      ['interrupt', '--store', '/nonexistent'],
    ]) {
      const { status, stderr } = command(...args);
      assert.equal(status, 64, stderr);
      assert.notEqual(stderr, '');
    }
    const both = command('run', '--deadline', '1m', '--until', '18:00', '--', 'true');
    assert.match(both.stderr, /--deadline and --until exclude each other \[USAGE\]/);
  });

  it('gives its error as one object with --json', () => {
    const { status, stdout } = command('remove', 'abc', '--json', '--store', '/nonexistent');
    assert.equal(status, 66);
    const { error } = JSON.parse(stdout) as { error: { code: string; exitStatus: number; hint: string } };
    assert.deepEqual([error.code, error.exitStatus], ['NOT_KEPT', 66]);
    assert.match(error.hint, /rbm-resume list/);
  });

  it('runs a command that is no rbm to its own status', () => {
    assert.equal(command('run', '--', 'true').status, 0);
    assert.equal(command('run', '--', 'sh', '-c', 'exit 7').status, 7);
    assert.equal(command('run', '--', 'sh', '-c', 'exit 75').status, 1);
    assert.equal(command('run', '--', '/nonexistent').status, 69);
    const { status, stdout } = command('run', '--json', '--', 'sh', '-c', 'echo printed; exit 3');
    assert.equal(status, 3);
    assert.deepEqual((JSON.parse(stdout) as { outcome: string }).outcome, 'failed');
  });

  it('lets a rbm that works on the host finish what it is making there', () => {
    const { status, stderr } = command('run', '--deadline', '300ms', '--grace', '1s', '--', 'sleep', '2');
    assert.equal(status, 0, stderr);
    assert.match(stderr, /the deadline has come/);
    assert.match(stderr, /no rbm below this command has loaded rbm-resume/);
  });

  it('refuses a policy that it can not read before anything is built', () => {
    const store = ['--store', join(packageDir, 'none')];
    const policy = ['--policy', 'none.yml', '--class', 'branch'];
    const { status, stderr } = command(...store, 'run', ...policy, '--', 'touch', 'ran');
    assert.equal(status, 64, stderr);
    assert.match(stderr, /none\.yml/);
    assert.ok(!existsSync(join(packageDir, 'ran')));
  });

  it('stops it all the same at the second signal', () => {
    const script =
      'node dist/cli/main.js run -- sleep 1000 & sleep 5; kill -INT $!; sleep 5; kill -INT $!; wait $!';
    const { status } = spawnSync('bash', ['-mc', script], { cwd: packageDir });
    assert.equal(status, 76);
  });

  it('has nothing to say of an empty store', () => {
    assert.equal(command('list', '--store', '/nonexistent').stdout, 'nothing is kept\n');
    assert.equal(command('status', '--store', '/nonexistent').stdout, 'nothing is being built\n');
    assert.equal(command('prune', '--dry-run', '--store', '/nonexistent').stdout, 'nothing to remove\n');
  });
});
