import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { packageDir } from '../rbm/workspace.js';

describe('a closed standard output', () => {
  let dir = '';
  before(() => {
    dir = mkdtempSync(join(tmpdir(), 'rbm-resume-closed-'));
  });
  after(() => rmSync(dir, { recursive: true }));

  /** Runs the command with a pipe that nobody reads any more: its reader is gone before the command begins. */
  function run(words: string, redirect: '1' | '2') {
    const command = `"${process.execPath}" "${join(packageDir, 'dist/cli/main.js')}" --store "${dir}" ${words}`;
    const script = `{ { sleep 0.3; ${command} ${redirect}>&3; echo "$?" > "${dir}/status"; } 3>&1 1>&4 | true; } 4>&1; cat "${dir}/status"`;
    const { stdout, stderr } = spawnSync('sh', ['-c', script], { encoding: 'utf8', cwd: dir });
    return { status: Number(stdout.trim().split('\n').at(-1)), stdout, stderr };
  }

  it('ends a command quietly, as SIGPIPE would', () => {
    const { status, stderr } = run('list --json', '1');
    assert.deepEqual([status, stderr], [141, '']);
  });

  it('is no failure where all that was asked was help', () => {
    for (const words of ['list --help', '--help', '--version']) {
      const { status, stderr } = run(words, '1');
      assert.deepEqual([status, stderr], [0, ''], words);
    }
  });

  it('of messages alone changes no status', () => {
    const { status, stdout } = run('remove 0123', '2');
    assert.equal(status, 66, stdout);
  });
});
