import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, ftruncateSync, mkdirSync, mkdtempSync, openSync } from 'node:fs';
import { rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fromBytes } from '../../lib/rootfs/entry.js';
import { readAll } from './tar-bytes.js';

let root: string;
before(() => {
  root = mkdtempSync(join(tmpdir(), 'rbm-resume-sparse-'));
});
after(() => rmSync(root, { recursive: true }));

const run = (cwd: string, program: string, ...args: readonly string[]): Buffer =>
  execFileSync(program, args, {
    cwd,
    maxBuffer: 1 << 30,
    env: { PATH: process.env['PATH'], LC_ALL: 'C.UTF-8' },
  });

/** A file of several pieces and holes, the last a hole. */
function makeSparse(dir: string, pieces: number): Buffer {
  mkdirSync(dir);
  const content = Buffer.alloc(pieces * 16384 + 5000);
  for (let at = 0; at < pieces; at += 1) content.fill(`piece ${at} `, at * 16384 + 8192, at * 16384 + 12288);
  const fd = openSync(join(dir, 'sparse'), 'w');
  ftruncateSync(fd, content.length);
  for (let at = 0; at < pieces; at += 1) {
    const from = at * 16384 + 8192;
    writeSync(fd, content, from, 4096, from);
  }
  closeSync(fd);
  return content;
}

describe('TarReader, of sparse files', () => {
  const ways: readonly (readonly string[])[] = [
    ['tar', '--format=posix', '--sparse', '--sparse-version=1.0'],
    ['tar', '--format=posix', '--sparse', '--sparse-version=0.1'],
    ['tar', '--format=posix', '--sparse', '--sparse-version=0.0'],
    ['tar', '--format=gnu', '--sparse'],
    ['bsdtar', '--format=pax', '--read-sparse'],
  ];
  for (const [program = '', ...args] of ways) {
    for (const pieces of [0, 1, 4, 60]) {
      it(`gives the content at its place: ${program} ${args.join(' ')}, ${pieces} pieces`, () => {
        const dir = mkdtempSync(join(root, 'sparse-'));
        const content = makeSparse(join(dir, 'tree'), pieces);
        writeFileSync(join(dir, 'tree/z'), 'follows');
        const bytes = run(join(dir, 'tree'), program, '-cf', '-', ...args, 'sparse', 'z');
        assert.ok(bytes.length < content.length || pieces < 2);
        for (const chunkBytes of [bytes.length, 513, 7]) {
          const [sparse, next, ...others] = readAll(bytes, { chunkBytes, hasContent: true });
          assert.deepEqual([sparse?.path, next?.content, others], ['sparse', 'follows', []]);
          assert.ok(sparse?.content === fromBytes(content));
        }
      });
    }
  }

  it('gives files beyond 8 GiB their size, in every format', () => {
    const dir = join(root, 'huge');
    mkdirSync(dir);
    const fd = openSync(join(dir, 'huge'), 'w');
    ftruncateSync(fd, 20 * 2 ** 30 + 1);
    writeSync(fd, 'end', 20 * 2 ** 30 - 2);
    closeSync(fd);
    for (const [program = '', ...args] of ways) {
      const [huge] = readAll(run(dir, program, '-cf', '-', ...args, 'huge'));
      assert.equal(huge?.meta.split(' ')[4], String(20 * 2 ** 30 + 1));
    }
  });
});
