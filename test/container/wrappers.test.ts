import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { parseScriptTimes } from '../../lib/cpu-time.js';
import { packageDir } from '../rbm/workspace.js';

let root: string;
let live: string;
let container: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'rbm-resume-wrappers-'));
  [live, container] = [join(root, 'live'), join(root, 'container')];
  mkdirSync(live);
  mkdirSync(join(container, 'rbm'), { recursive: true });
  writeFileSync(join(container, 'rbm', 'cmd'), '#!/bin/sh\n. /rbm/resume/runner\n');
});
afterEach(() => rmSync(root, { recursive: true }));

/** Runs a program of perl-shim/libexec on a shell script that stands for rbm's own, `$1` being the runner's state. */
const wrap = (program: string, lower: string, env: Record<string, string> = {}) =>
  spawnSync(
    join(packageDir, 'perl-shim', 'libexec', program),
    ['sh', '-c', lower, 'sh', join(container, 'rbm', 'resume', 'state')],
    {
      encoding: 'utf8',
      cwd: root,
      env: {
        PATH: process.env.PATH,
        RBM_RESUME_LIVE: live,
        RBM_RESUME_CONTAINER: container,
        RBM_RESUME_PROJECT: 'p',
        RBM_RESUME_SCRIPT: 'build',
        RBM_RESUME_COMMAND: './build',
        ...env,
      },
    },
  );
const scripts = (): string => readFileSync(join(live, 'scripts'), 'utf8');

describe('remote-get', () => {
  for (const ends of ['build unknown\n', 'build 3\n', 'build interrupted\n', 'build 0\npost unknown\n']) {
    it(`hands out nothing after ${ends.trim().replace('\n', ', ')}`, () => {
      writeFileSync(join(live, 'scripts'), ends);
      const { status, stderr } = wrap('remote-get', 'touch output');
      assert.equal(status, 1);
      assert.match(stderr, /its output is not handed out/);
      assert.ok(!existsSync(join(root, 'output')));
      assert.equal(scripts(), ends);
    });
  }

  it('hands out the output when the last line of each script is a 0, and notes how that went', () => {
    const ends = 'pre 0\nbuild unknown\nbuild 0\n';
    for (const status of [0, 7]) {
      writeFileSync(join(live, 'scripts'), ends);
      assert.equal(wrap('remote-get', `touch output; exit ${status}`).status, status);
      assert.ok(existsSync(join(root, 'output')));
      assert.equal(scripts(), `${ends}get unknown\nget ${status}\n`);
    }
  });
});

describe('remote-exec', () => {
  it('ends with the script’s own status, whatever the processes above it say', () => {
    for (const [own, above] of [
      [3, 0],
      [0, 7],
      [137, 0],
    ]) {
      const { status } = wrap('remote-exec', `echo ${own} > "$1/status"; exit ${above}`);
      assert.equal(status, own);
      assert.match(scripts(), new RegExp(`^build ${own}\n$`, 'm'));
      rmSync(join(live, 'scripts'));
    }
  });

  it('notes what the processor has done for the script, and fails no build where it can not', () => {
    const work =
      'end=$(($(date +%s) + 1)); while [ "$(date +%s)" -le "$end" ]; do :; done; echo 0 > "$1/status"';
    assert.equal(wrap('remote-exec', work).status, 0);
    const seconds = parseScriptTimes(readFileSync(join(live, 'times'), 'utf8'), 'build');
    assert.ok(seconds !== null && seconds > 0.1 && seconds < 60, String(seconds));
    rmSync(join(live, 'times'));
    rmSync(join(live, 'scripts'));
    mkdirSync(join(live, 'times'));
    const { status, stderr } = wrap('remote-exec', 'echo 0 > "$1/status"');
    assert.deepEqual([status, stderr], [0, '']);
  });

  it('takes a script for failed whose status is missing, or no number', () => {
    for (const lower of [
      'true',
      'echo 0 0 > "$1/status"',
      'echo > "$1/status"',
      'echo 0 > elsewhere; ln -s "$PWD/elsewhere" "$1/status"',
    ]) {
      const { status, stderr } = wrap('remote-exec', lower);
      assert.equal(status, 1, lower);
      assert.match(stderr, /is not recorded/);
      assert.equal(scripts().trim().split('\n').at(-1), 'build unknown');
    }
  });

  it('starts nothing when an interrupt comes while it says that it is about to', () => {
    // The interrupt writes its file and looks for `running` right when the wrapper makes up its line for that.
    const bin = join(root, 'bin');
    mkdirSync(bin);
    writeFileSync(join(bin, 'readlink'), `#!/bin/sh\ntouch '${live}/interrupt'\n`);
    chmodSync(join(bin, 'readlink'), 0o755);
    const { status } = wrap('remote-exec', 'touch started; echo 0 > "$1/status"', {
      PATH: `${bin}:${process.env.PATH}`,
    });
    assert.equal(status, 1);
    assert.ok(!existsSync(join(root, 'started')));
    assert.ok(!existsSync(join(live, 'running')));
  });

  it('waits for an interrupt that is at work on the tree before it says how the script ended', () => {
    const { status } = wrap(
      'remote-exec',
      `cd '${live}'; touch interrupt; exec 9> lock; flock 9; (sleep 1; echo '{}' > stopped) & echo 0 > "$1/status"`,
    );
    assert.equal(status, 1);
    assert.equal(scripts(), 'build unknown\nbuild interrupted\n');
  });

  it('takes a script for failed that ended before it came to the interrupted statement', () => {
    const { status, stderr } = wrap(
      'remote-exec',
      'mkdir -p "$1/../units"; echo 3 > "$1/../units/skipping"; echo 0 > "$1/status"',
    );
    assert.equal(status, 1);
    assert.match(stderr, /without having come to the statement/);
    assert.match(scripts(), /^build 1\n$/m);
  });

  it('removes nothing outside where a script has made a link of our folder', () => {
    mkdirSync(join(root, 'elsewhere', 'units'), { recursive: true });
    writeFileSync(join(root, 'elsewhere', 'file'), '');
    const { status } = wrap(
      'remote-exec',
      `echo '{}' > '${live}/stopped'; rm -r '${container}/rbm/resume'; ln -s '${root}/elsewhere' '${container}/rbm/resume'`,
    );
    assert.equal(status, 1);
    assert.ok(existsSync(join(root, 'elsewhere', 'file')));
  });

  it('starts nothing where /rbm in the container leads elsewhere', () => {
    rmSync(join(container, 'rbm'), { recursive: true });
    mkdirSync(join(root, 'elsewhere'));
    symlinkSync(join(root, 'elsewhere'), join(container, 'rbm'));
    const { status } = wrap('remote-exec', 'touch started');
    assert.equal(status, 1);
    assert.ok(!existsSync(join(root, 'started')));
  });
});
