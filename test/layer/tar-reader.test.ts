import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { linkSync, lutimesSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import { fromBytes, toBytes } from '../../lib/rootfs/entry.js';
import { archive, member, pax, readAll, type ReadMember } from './tar-bytes.js';

let root: string;
before(() => {
  root = mkdtempSync(join(tmpdir(), 'rbm-resume-tar-'));
});
after(() => rmSync(root, { recursive: true }));

const run = (cwd: string, program: string, ...args: readonly string[]): Buffer =>
  execFileSync(program, args, {
    cwd,
    maxBuffer: 1 << 30,
    env: { PATH: process.env['PATH'], LC_ALL: 'C.UTF-8' },
  });

const bytePath = (dir: string, name: string): Buffer =>
  Buffer.concat([Buffer.from(`${dir}/`), toBytes(name)]);

const AWKWARD = [
  'new\nline',
  'back\\slash',
  '-dash',
  '\xff\xfe',
  'sp ace',
  'a=b',
  'é',
  'z'.repeat(255),
  '\\n',
  '%25',
];

/** A tree of `dir` as find(1) lists it, by path: `meta`, then the target of a symbolic link. */
function findTree(dir: string): Map<string, readonly [string, string]> {
  const listed = fromBytes(run(dir, 'find', '.', '-printf', '%P\\0%y %m %U %G %s %T@\\0%l\\0')).split('\0');
  const tree = new Map<string, readonly [string, string]>();
  for (let at = 0; at + 2 < listed.length; at += 3) {
    const [path = '', meta = '', target = ''] = listed.slice(at, at + 3);
    const fields = meta.slice(0, -1).split(' ');
    if (fields[0] !== 'f') fields[4] = '0';
    tree.set(path, [fields.join(' '), target]);
  }
  return tree;
}

/** The members by path, with hard links as what they are links to, in the manner of {@link findTree}. */
function asTree(members: readonly ReadMember[]): Map<string, readonly [string, string]> {
  const tree = new Map<string, readonly [string, string]>();
  for (const { path, type, meta, target } of members) {
    tree.set(path, type === 'h' ? (tree.get(target) ?? ['missing', target]) : [meta, target]);
  }
  return tree;
}

const sorted = <Value>(tree: ReadonlyMap<string, Value>) => [...tree].sort(([a], [b]) => (a < b ? -1 : 1));

function makeTree(name: string): string {
  const dir = join(root, name);
  mkdirSync(join(dir, 'sub/deep'), { recursive: true });
  for (const one of AWKWARD) writeFileSync(bytePath(dir, one), `content of ${one}`, 'latin1');
  symlinkSync('target with\nnewline', join(dir, 'link'));
  symlinkSync('t'.repeat(200), join(dir, 'long-link'));
  linkSync(bytePath(dir, 'new\nline'), join(dir, 'sub/hard'));
  run(dir, 'mkfifo', 'fifo');
  run(dir, 'chmod', '4755', 'sp ace');
  run(dir, 'chmod', '1777', 'sub');
  const dates = [
    '1969-12-31 23:59:59.25',
    '1901-01-01 00:00:00.000000001',
    '2262-01-01 00:00:00.999999999',
    '2300-01-01',
  ];
  dates.forEach((date, at) => {
    writeFileSync(join(dir, `dated${at}`), '');
    run(dir, 'touch', '-d', `${date} UTC`, `dated${at}`);
  });
  lutimesSync(join(dir, 'link'), 1.5, 2.5);
  return dir;
}

describe('TarReader, of what GNU tar writes', () => {
  it('gives what find lists: posix', () => {
    const dir = makeTree('posix');
    const members = readAll(run(dir, 'tar', '-cf', '-', '--format=posix', '.'));
    assert.deepEqual(sorted(asTree(members)), sorted(findTree(dir)));
    assert.equal(asTree(members).get('dated0')?.[0].split(' ')[5], '-1.250000000');
    assert.deepEqual(members.filter(({ type }) => type === 'h').length, 1);
  });

  for (const format of ['gnu', 'ustar', 'v7']) {
    it(`gives what find lists, to the second: ${format}`, () => {
      const dir = makeTree(format);
      const left = ['long-link', 'z'.repeat(255), ...(format === 'gnu' ? [] : ['dated0', 'dated1'])];
      if (format !== 'gnu') for (const one of [...left, 'dated2', 'dated3']) rmSync(join(dir, one));
      if (format === 'v7') rmSync(join(dir, 'fifo'));
      const floor = (tree: ReadonlyMap<string, readonly [string, string]>) =>
        sorted(tree).map(([path, [meta, target]]) => {
          const [seconds, nanos] = meta.slice(meta.lastIndexOf(' ') + 1).split('.');
          assert.match(nanos ?? '', /^\d{9}$/);
          return [path, meta.slice(0, meta.lastIndexOf(' ')), seconds, target];
        });
      const members = readAll(run(dir, 'tar', '-cf', '-', `--format=${format}`, '.'));
      assert.deepEqual(floor(asTree(members)), floor(findTree(dir)));
    });
  }

  it('gives a path of 4,000 bytes in the formats that can hold it', () => {
    const dir = join(root, 'deep');
    mkdirSync(dir);
    const path = Array.from({ length: 20 }, (_, at) => String.fromCharCode(97 + at).repeat(199)).join('/');
    run(dir, 'mkdir', '-p', path);
    for (const format of ['posix', 'gnu']) {
      const members = readAll(run(dir, 'tar', '-cf', '-', `--format=${format}`, '.'));
      assert.equal(members.at(-1)?.path, path);
    }
  });

  it('gives extended attributes with any bytes, and ACLs', () => {
    const dir = join(root, 'xattrs');
    mkdirSync(dir);
    writeFileSync(join(dir, 'a'), '');
    const value = Buffer.from('x\ny\0\xff=z', 'latin1');
    run(dir, 'setfattr', '-n', 'user.b', '-v', `0s${value.toString('base64')}`, 'a');
    run(dir, 'setfattr', '-n', 'user.a=%', '-v', '', 'a');
    run(dir, 'setfattr', '-n', 'user.empty', 'a');
    const args = ['-cf', '-', '--format=posix', '--xattrs', '--xattrs-include=*', '--acls', 'a'];
    const [plain] = readAll(run(dir, 'tar', ...args));
    assert.equal(plain?.xattrs, `user.a=%= user.b=${value.toString('base64')} user.empty=`);
    run(dir, 'setfacl', '-m', 'u:1234:r', 'a');
    const [withAcl] = readAll(run(dir, 'tar', ...args));
    assert.match(withAcl?.xattrs ?? '', /(?:^| )system\.posix_acl_access=|SCHILY\.acl\.access=/);
    const [onlyText] = readAll(run(dir, 'tar', '-cf', '-', '--format=posix', '--acls', 'a'));
    assert.match(onlyText?.xattrs ?? '', /^SCHILY\.acl\.access=[A-Za-z0-9+/]+=*$/);
  });

  it('gives devices their numbers', () => {
    const devices = [
      member({ name: 'dev/null', type: '3', devMajor: '0000001\0', devMinor: '0000003\0' }),
      member({
        name: 'dev/sda',
        type: '4',
        magic: 'ustar  \0',
        devMajor: '0000010\0',
        devMinor: '0000021\0',
      }),
    ];
    assert.deepEqual(
      readAll(archive(...devices)).map(({ type, target }) => [type, target]),
      [
        ['c', '1,3'],
        ['b', '8,17'],
      ],
    );
  });
});

describe('TarReader, of what bsdtar writes', () => {
  it('gives names, times and attributes', () => {
    const dir = join(root, 'bsdtar');
    mkdirSync(dir);
    writeFileSync(join(dir, 'n\né'), 'x');
    run(dir, 'setfattr', '-n', 'user.k', '-v', '0sAP8K', 'n\né');
    run(dir, 'touch', '-d', '2040-12-31 23:59:59.25 UTC', 'n\né');
    const [one] = readAll(run(dir, 'bsdtar', '--format=pax', '--xattrs', '-cf', '-', 'n\né'));
    assert.deepEqual([one?.path, one?.xattrs], [fromBytes(Buffer.from('n\né')), 'user.k=AP8K']);
    assert.match(one?.meta ?? '', / 2240611199\.250000000$/);
  });
});

/** Archives of members that need one another: long names, pax headers, sparse files. */
const someMember = fc.oneof(
  fc
    .tuple(fc.stringMatching(/^[a-z\n\\\xff]{1,90}$/), fc.uint8Array({ maxLength: 1500 }))
    .map(([name, data]) => member({ name }, Buffer.from(data))),
  fc.stringMatching(/^[a-z\n=\xff]{1,900}$/).map((path) =>
    Buffer.concat([
      pax([
        ['path', path],
        ['mtime', '-0.75'],
        ['SCHILY.xattr.user.a', path],
      ]),
      member({}, 'data'),
    ]),
  ),
  fc
    .stringMatching(/^[a-z]{101,900}$/)
    .map((name) =>
      Buffer.concat([
        member({ type: 'L', magic: 'ustar  \0' }, `${name}\0`),
        member({ magic: 'ustar  \0' }, 'gnu'),
      ]),
    ),
  fc.constant(
    Buffer.concat([
      pax([
        ['GNU.sparse.major', '1'],
        ['GNU.sparse.minor', '0'],
        ['GNU.sparse.name', 's'],
        ['GNU.sparse.realsize', '9000'],
      ]),
      member({ name: 'GNUSparseFile.0/s' }, `2\n512\n600\n9000\n0\n`.padEnd(512, '\0') + 'd'.repeat(600)),
    ]),
  ),
);

describe('TarReader', () => {
  it('gives the same members and the same data for chunks of any size', () => {
    fc.assert(
      fc.property(
        fc.array(someMember, { maxLength: 6 }),
        fc.integer({ min: 1, max: 1024 }),
        (parts, chunkBytes) => {
          const bytes = archive(...parts);
          assert.deepEqual(
            readAll(bytes, { chunkBytes, hasContent: true }),
            readAll(bytes, { hasContent: true }),
          );
        },
      ),
      { numRuns: 150 },
    );
  });

  it('gives the same members for every chunk size from 1 to 1024', () => {
    const bytes = archive(...fc.sample(someMember, { numRuns: 12, seed: 1 }));
    const whole = readAll(bytes, { hasContent: true });
    assert.equal(whole.length, 12);
    for (let chunkBytes = 1; chunkBytes <= 1024; chunkBytes += 1) {
      assert.deepEqual(readAll(bytes, { chunkBytes, hasContent: true }), whole);
    }
  });
});
