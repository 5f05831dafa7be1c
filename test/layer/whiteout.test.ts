import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { describe, it } from 'node:test';
import { encodeWhiteouts, parseWhiteout, toLayerMember, whiteoutPath } from '../../lib/layer/whiteout.js';
import { fromBytes } from '../../lib/rootfs/entry.js';
import { END, readAll } from './tar-bytes.js';

const PATHS = [
  'a',
  'dir/file',
  'new\nline',
  'back\\slash',
  '-dash',
  '\xff\xfe/\xe9',
  'z'.repeat(95),
  'z'.repeat(96),
  `d/${'z'.repeat(255)}`,
  Array.from({ length: 16 }, () => 'p'.repeat(255)).join('/'),
];

describe('whiteouts', () => {
  it('have the name of the file behind .wh., and back', () => {
    assert.equal(whiteoutPath('dir/file'), 'dir/.wh.file');
    for (const path of PATHS) assert.deepEqual(parseWhiteout(whiteoutPath(path)), { kind: 'remove', path });
    assert.deepEqual(parseWhiteout('dir/.wh..wh..opq'), { kind: 'opaque', dir: 'dir' });
    assert.deepEqual(parseWhiteout('.wh..wh..opq'), { kind: 'opaque', dir: '' });
    for (const path of ['', 'a', 'a.wh.b', 'dir.wh./x']) assert.equal(parseWhiteout(path), null);
  });

  it('are refused where programs read them in different ways', () => {
    for (const path of ['.wh.', 'a/.wh..', '.wh...', '.wh..wh.plnk', '.wh.a/b', '.wh..wh.aufs']) {
      assert.throws(() => parseWhiteout(path), { code: 'BAD_LAYER' }, path);
    }
    for (const path of ['', '.wh.a', 'a/.wh.b/c'])
      assert.throws(() => whiteoutPath(path), { code: 'BAD_LAYER' });
    const empty = {
      path: 'd/.wh.x',
      type: 'f',
      meta: 'f 0 0 0 0 0.000000000',
      target: '',
      xattrs: '',
    } as const;
    assert.deepEqual(toLayerMember(empty), { ...empty, type: 'w', path: 'd/x' });
    assert.deepEqual(toLayerMember({ ...empty, path: 'd/.wh..wh..opq' }), { ...empty, type: 'o', path: 'd' });
    assert.throws(() => toLayerMember({ ...empty, meta: 'f 0 0 0 1 0.000000000' }), { code: 'BAD_LAYER' });
    assert.throws(() => toLayerMember({ ...empty, type: 'd', meta: 'd 0 0 0 0 0.000000000' }), {
      code: 'BAD_LAYER',
    });
  });

  it('are encoded as empty files that GNU tar, bsdtar and the reader read alike', () => {
    const bytes = Buffer.concat([...encodeWhiteouts(PATHS), END]);
    const names = PATHS.map(whiteoutPath);
    const members = readAll(bytes);
    assert.deepEqual(
      members.map(({ path, meta }) => [path, meta]),
      names.map((name) => [name, 'f 0 0 0 0 0.000000000']),
    );
    const options = { input: bytes, env: { PATH: process.env['PATH'], LC_ALL: 'C' } };
    const listed = execFileSync('tar', ['-tf', '-', '--quoting-style=literal'], options);
    assert.equal(fromBytes(listed), names.map((name) => `${name}\n`).join(''));
    const plain = PATHS.filter((path) => /^[ -[\]-~/]*$/.test(path));
    const input = Buffer.concat([...encodeWhiteouts(plain), END]);
    assert.equal(
      fromBytes(execFileSync('bsdtar', ['-tf', '-'], { ...options, input })),
      plain.map((path) => `${whiteoutPath(path)}\n`).join(''),
    );
  });
});
