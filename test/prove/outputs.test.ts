import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { explainDifferences } from '../../lib/prove/explain.js';
import { findFirstDifference } from '../../lib/prove/first-difference.js';
import { compareOutputs, listOutputs } from '../../lib/prove/outputs.js';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'rbm-resume-prove-'));
  for (const side of ['a', 'b']) mkdirSync(join(dir, side, 'sub'), { recursive: true });
});
afterEach(() => rmSync(dir, { recursive: true }));

const write = (path: string, text: string | Buffer): void => writeFileSync(join(dir, path), text);
const compare = async () =>
  compareOutputs(await listOutputs(join(dir, 'a')), await listOutputs(join(dir, 'b')));
const explain = async () => {
  const sides = { a: join(dir, 'a'), b: join(dir, 'b'), dir: join(dir, 'unpacked') };
  return explainDifferences(await compare(), sides);
};
/** Packs a file `member` with this text into `SIDE/out`. */
const pack = (side: string, text: string, options: readonly string[]): void => {
  mkdirSync(join(dir, 'parts'), { recursive: true });
  write('parts/member', text);
  write('parts/same', 'same');
  for (const name of ['member', 'same']) utimesSync(join(dir, 'parts', name), 0, 0);
  const args = ['-C', join(dir, 'parts'), ...options, '-cf', join(dir, side, 'out'), 'member', 'same'];
  assert.equal(spawnSync('tar', args).status, 0);
};

describe('compareOutputs', () => {
  it('finds nothing between equal folders, whatever their times', async () => {
    for (const side of ['a', 'b']) {
      write(`${side}/sub/file`, 'text');
      symlinkSync('file', join(dir, side, 'sub', 'link'));
    }
    utimesSync(join(dir, 'b', 'sub', 'file'), 1, 1);
    assert.deepEqual(await compare(), []);
  });

  it('finds every kind of difference', async () => {
    for (const [index, side] of ['a', 'b'].entries()) {
      write(`${side}/content`, `text ${index}`);
      write(`${side}/mode`, '');
      symlinkSync(`${index}`, join(dir, side, 'target'));
    }
    chmodSync(join(dir, 'b', 'mode'), 0o755);
    write('a/missing', '');
    write('b/extra', '');
    write('a/type', '');
    mkdirSync(join(dir, 'b', 'type'));
    assert.deepEqual(
      (await compare()).map(({ path, what }) => [path, what]),
      ['content', 'extra', 'missing', 'mode', 'target', 'type'].map((what) => [what, what]),
    );
  });
});

describe('findFirstDifference', () => {
  it('shows where and what, in files of any length', async () => {
    const long = Buffer.alloc(3 << 20, 'x');
    write('one', long);
    write('two', Buffer.concat([long.subarray(0, (2 << 20) + 5), Buffer.from('\x00HERE'), long]));
    const found = await findFirstDifference(join(dir, 'one'), join(dir, 'two'));
    assert.equal(found?.offset, (2 << 20) + 5);
    assert.match(found.a, /^x{64}$/);
    assert.match(found.b, /^x{24}\.HERE/);
  });

  it('takes the end of the shorter file for the difference, and none for equal ones', async () => {
    write('one', 'abc');
    write('two', 'abcdef');
    assert.deepEqual(await findFirstDifference(join(dir, 'one'), join(dir, 'two')), {
      offset: 3,
      a: 'abc',
      b: 'abcdef',
    });
    assert.equal(await findFirstDifference(join(dir, 'one'), join(dir, 'one')), null);
    write('one', Buffer.alloc(1 << 20));
    assert.equal(await findFirstDifference(join(dir, 'one'), join(dir, 'one')), null);
  });
});

describe('explainDifferences', () => {
  for (const compression of ['--gzip', '--xz', '--zstd', '--format=ustar']) {
    it(`names the member of a tar archive (${compression})`, async () => {
      pack('a', 'made at 1', [compression]);
      pack('b', 'made at 2', [compression]);
      const found = await explain();
      assert.deepEqual(
        found.map(({ path, what, first }) => [path, what, first]),
        [['out!member', 'content', { offset: 8, a: 'made at 1', b: 'made at 2' }]],
      );
    });
  }

  it('shows both lines where only a time or an owner of a member differs', async () => {
    pack('a', 'text', ['--mtime=@1', '--owner=7']);
    pack('b', 'text', ['--mtime=@2', '--owner=7']);
    const found = await explain();
    assert.deepEqual(
      found.map(({ path, what }) => [path, what]),
      [
        ['out!member', 'metadata'],
        ['out!same', 'metadata'],
      ],
    );
    assert.match(found[0]?.lines?.join('\n') ?? '', /00:00:01 member\n.*00:00:02 member/);
  });

  it('says so where all members are equal', async () => {
    pack('a', 'text', ['--format=ustar']);
    pack('b', 'text', ['--format=gnu']);
    assert.deepEqual(
      (await explain()).map(({ path, what }) => [path, what]),
      [['out', 'packing']],
    );
  });

  it('follows archives in archives, and single compressed files', async () => {
    for (const [index, side] of ['a', 'b'].entries()) {
      mkdirSync(join(dir, 'inner', side), { recursive: true });
      write(`inner/${side}/text`, `number ${index}`);
      const path = join(dir, 'inner', side);
      assert.equal(spawnSync('gzip', ['-nk', join(path, 'text')]).status, 0);
      const args = ['-C', path, '--mtime=@0', '-cf', join(dir, side, 'out.tar'), 'text.gz'];
      assert.equal(spawnSync('tar', args).status, 0);
    }
    assert.deepEqual(
      (await explain()).map(({ path, first }) => [path, first?.a, first?.b]),
      [['out.tar!text.gz!text', 'number 0', 'number 1']],
    );
  });

  it('compares the bytes of what is no archive', async () => {
    write('a/out', 'one');
    write('b/out', '');
    assert.deepEqual(
      (await explain()).map(({ path, what, first }) => [path, what, first]),
      [['out', 'content', { offset: 0, a: 'one', b: '' }]],
    );
  });
});
