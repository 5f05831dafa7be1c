import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { packageDir } from '../rbm/workspace.js';
import { HASH, makeSmall, OTHER_HASH, recordOf, root, type Small } from '../snapshot/small-snapshots.js';
import { withoutProgress } from './without-progress.js';

const COMMAND = [join(packageDir, 'dist', 'cli', 'main.js')];

describe('the verbs for snapshots', { timeout: 1_200_000 }, () => {
  let small: Small;
  const run = (...args: string[]) => {
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [...COMMAND, '--store', small.store, ...args],
      {
        cwd: root,
        maxBuffer: 1 << 28,
      },
    );
    return { status, stdout, text: stdout.toString(), stderr: stderr.toString() };
  };
  const json = (...args: string[]) => {
    const { status, text, stderr } = run(...args, '--json');
    return { status, stderr, value: JSON.parse(text) as Record<string, unknown> };
  };

  before(async () => {
    small = await makeSmall();
    const libraries =
      execFileSync('ldd', ['/bin/dash'])
        .toString()
        .match(/\/[^ ]+/g) ?? [];
    await small.change(`for file in /bin/dash ${libraries.join(' ')}; do mkdir -p ".\${file%/*}"; cp -L "$file" ".$file"; done
      ln -s dash bin/sh 2>/dev/null || :; mkdir proc dev
      head -c 300000 /dev/urandom > binary; ln binary hard; truncate -s 1000000 sparse; printf end >> sparse
      mkdir names; : > "names/new
line"; : > "$(printf 'names/latin\\351')"; : > names/ä; chmod 4751 etc/base; touch -d '2026-02-03 04:05:06.123456789' etc/base`);
    await small.save();
    await small.change('echo second > etc/second; rm etc/other');
    await small.save();
    await small.save({ record: recordOf(OTHER_HASH), parent: null, baseline: null, base: null });
  });

  it('list has a row for each snapshot', () => {
    const { text, status } = run('list');
    assert.equal(status, 0);
    assert.match(text, /hello +abababababababab +snapshot +1 /);
    assert.match(text, /hello +abababababababab +snapshot +2 /);
    const { snapshots, kept } = json('list').value as {
      snapshots: { generation: number; size: number }[];
      kept: [];
    };
    assert.deepEqual([snapshots.map(({ generation }) => generation), kept], [[1, 2, 1], []]);
    assert.ok(snapshots.every(({ size }) => size > 0));
  });

  it('inspect prints layers and growth, also as JSON', () => {
    const { text, status } = run('inspect', 'ab');
    assert.equal(status, 0);
    assert.match(text, /base/);
    assert.match(text, new RegExp(`${HASH}@2`));
    const { value } = json('inspect', 'ab@1');
    assert.deepEqual([value.hash, value.generation, (value.layers as unknown[]).length], [HASH, 1, 2]);
    assert.equal((value.grew as { path: string }).path, '');
  });

  it('ls escapes what is not printable, and with -0 writes names as they are', () => {
    assert.equal(run('ls', 'ab', 'names').text, 'names/latin\\351\nnames/new\\012line\nnames/ä\n');
    assert.deepEqual(
      run('ls', '-0', 'ab', './names/').stdout,
      Buffer.from(`${['names/latin\xe9', 'names/new\nline', 'names/\xc3\xa4'].join('\0')}\0`, 'latin1'),
    );
    assert.equal(run('ls', 'ab', '/names/ä').text, 'names/ä\n');
    assert.match(run('ls', 'ab@1').text, /^bin\nbinary\ndev\netc\nhard\n/);
    assert.match(run('ls', '-R', 'ab').text, /^etc\netc\/base\netc\/link\netc\/second\n/m);
    const long = run('ls', '-l', 'ab', 'etc').text;
    assert.match(long, /^-rwsr-x--x +1 +0 +0 +5 2026-02-03 04:05:06\.123456789 etc\/base$/m);
    assert.match(long, /^lrwxrwxrwx .* etc\/link -> base$/m);
    assert.match(run('ls', '-l', 'ab', 'hard').text, /^-rw\S+ +2 +0 +0 +300000 /);
    const missing = run('ls', 'ab', 'nothing');
    assert.deepEqual([missing.status, /NO_SUCH_FILE/.test(missing.stderr)], [66, true]);
  });

  it('a name that is not UTF-8 can be given as it is', () => {
    const script = 'exec "$@" "$(printf "names/latin\\351")"';
    const argv = ['-c', script, 'sh', process.execPath, ...COMMAND, '--store', small.store, 'cat', 'ab'];
    const { status, stderr } = spawnSync('sh', argv, { encoding: 'utf8' });
    assert.deepEqual([status, withoutProgress(stderr)], [0, '']);
  });

  it('cat writes binary, hard-linked and sparse files byte by byte', () => {
    for (const name of ['binary', 'hard', 'sparse']) {
      const { status, stdout } = run('cat', 'ab', `/${name}`);
      assert.equal(status, 0);
      assert.ok(stdout.equals(readFileSync(join(small.rootfs, name))), name);
    }
    assert.equal(run('cat', 'ab@1', 'etc/other').text, 'other\n');
    assert.equal(run('cat', 'ab', 'etc/other').status, 66);
    assert.equal(run('cat', 'ab', 'etc').status, 66);
  });

  it('cat ends quietly when nobody reads on, as by SIGPIPE', () => {
    const argv = [
      '-c',
      '"$@" | head -c 1 | wc -c; echo "${PIPESTATUS[0]}"',
      'bash',
      process.execPath,
      ...COMMAND,
    ];
    const { stdout, stderr } = spawnSync('bash', [...argv, '--store', small.store, 'cat', 'ab', 'sparse'], {
      encoding: 'utf8',
    });
    assert.deepEqual([stdout, withoutProgress(stderr)], ['1\n141\n', '']);
  });

  it('diff tells what differs', () => {
    const { text, status } = run('diff', 'ab@1', 'ab@2');
    assert.deepEqual([text, status], ['~ etc (time)\n- etc/other\n+ etc/second\n', 0]);
    const { differences } = json('diff', 'ab@1', 'ab').value as {
      differences: { kind: string; what: string[] }[];
    };
    assert.deepEqual(
      differences.map(({ kind, what }) => [kind, what]),
      [
        ['changed', ['time']],
        ['removed', []],
        ['added', []],
      ],
    );
  });

  it('restore makes the tree, and refuses a directory that is not empty', () => {
    const dir = join(root, 'restored');
    const { value, status } = json('restore', 'ab@1', dir);
    assert.deepEqual([status, value.generation, value.dir], [0, 1, dir]);
    assert.equal(readFileSync(join(dir, 'etc/other'), 'utf8'), 'other\n');
    const again = run('restore', 'ab', dir);
    assert.deepEqual([again.status, /DIRECTORY_NOT_EMPTY/.test(again.stderr)], [64, true]);
    assert.equal(run('restore', 'ef', join(root, 'nothing')).status, 66);
    assert.equal(run('restore', '', join(root, 'nothing')).status, 66);
  });

  const left = () => readdirSync(tmpdir()).filter((name) => name.startsWith('rbm-resume-shell-'));

  it('shell runs a command in the tree, gives its status, and leaves nothing behind', () => {
    const before = left();
    const echo = run(
      'shell',
      'ab',
      '--',
      '/bin/dash',
      '-c',
      'read -r x < /etc/second; echo "$x $$"; echo err >&2; exit 7',
    );
    assert.deepEqual(
      [echo.status, withoutProgress(echo.stderr), echo.text.startsWith('second ')],
      [7, 'err\n', true],
    );
    assert.equal(run('shell', 'ab', '--', '/bin/dash', '-c', 'kill -9 $$').status, 137);
    assert.deepEqual(left(), before);
  });

  it('shell ends and leaves nothing behind when it gets a signal', async () => {
    const before = left();
    const argv = [
      ...COMMAND,
      '--store',
      small.store,
      'shell',
      'ab',
      '--',
      '/bin/dash',
      '-c',
      'echo on; read -r x',
    ];
    const child = spawn(process.execPath, argv, { stdio: ['pipe', 'pipe', 'inherit'] });
    await new Promise((resolve) => child.stdout.once('data', resolve));
    const ended = new Promise((resolve) => child.once('close', resolve));
    child.kill('SIGTERM');
    assert.equal(await ended, 143);
    assert.deepEqual(left(), before);
  });

  it('wrong names end with the status of their code', () => {
    assert.equal(run('inspect', 'ffff').status, 66);
    assert.equal(run('inspect', 'ab@9').status, 66);
    assert.equal(run('pack').status, 64);
    assert.equal(run('pack', '--all', 'ab').status, 64);
    assert.equal(run('pack', 'ab').status, 66);
    assert.equal(run('prune', '--keep-days', 'x').status, 64);
    assert.equal(run('run', '--gzip', '--', 'true').status, 64);
  });

  it('verify finds nothing, prune removes by limit, remove removes the rest', () => {
    assert.deepEqual(json('verify', '--read-data').value.findings, []);
    const dry = json('prune', '--dry-run', '--keep-generations', '1').value;
    assert.deepEqual([(dry.snapshots as unknown[]).length, dry.dryRun], [1, true]);
    assert.match(
      run('prune', '--keep-generations', '1').text,
      /removed snapshot: abababababababab@1 \(hello\)\nfreed /,
    );
    assert.match(run('remove', 'ab').text, new RegExp(`removed ${HASH} \\(hello\\): 1 snapshot`));
    assert.deepEqual(json('remove', 'cd').value.removed, [OTHER_HASH]);
    assert.equal(run('remove', 'cd').status, 66);
    assert.equal(run('list').text, 'nothing is kept\n');
    assert.deepEqual(readdirSync(join(small.store, 'blobs', 'sha256')), []);
  });
});
