import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RbmResumeError } from '../../lib/errors.js';
import { DEFAULT_TAR_LIMITS } from '../../lib/layer/tar-limits.js';
import { archive, END, header, member, pax, paxRecord, readAll } from './tar-bytes.js';

const refuses = (bytes: Buffer, code = 'BAD_LAYER', limits = DEFAULT_TAR_LIMITS) =>
  assert.throws(
    () => readAll(bytes, { limits }),
    (error) =>
      error instanceof RbmResumeError &&
      error.code === code &&
      error.exitStatus === 77 &&
      error.hint !== undefined,
  );

const sparse = (realSize: string, map: string, data: string) =>
  archive(
    pax([
      ['GNU.sparse.major', '1'],
      ['GNU.sparse.minor', '0'],
      ['GNU.sparse.name', 's'],
      ['GNU.sparse.realsize', realSize],
    ]),
    member({}, map.padEnd(512, '\0') + data),
  );

const BAD: Readonly<Record<string, Buffer>> = {
  'an absolute name': archive(member({ name: '/etc/passwd' })),
  'an absolute name in a pax header': archive(pax([['path', '/etc/passwd']]), member({})),
  'a name that climbs': archive(member({ name: 'a/../../b' })),
  'a name that climbs at its end': archive(member({ name: './a/..' })),
  'a hard link that climbs': archive(member({ type: '1', linkName: '../x' })),
  'an absolute hard link': archive(member({ type: '1', linkName: '/x' })),
  'a hard link with data': archive(member({ type: '1', linkName: 'x' }, 'data')),
  'a symbolic link to no name': archive(member({ type: '2' })),
  'a directory with data': archive(member({ type: '5' }, 'data')),
  'a file as the root': archive(member({ name: './', type: '2', linkName: 'x' })),
  'a file without a name': archive(member({ name: '\0' })),
  'an unknown type': archive(member({ type: 'V' })),
  'a dump directory': archive(member({ type: 'D' }, 'Yfile\0\0')),
  'a volume that goes on': archive(member({ type: 'M' }, 'data')),
  'an unknown format': archive(member({ magic: 'ustarX00' })),
  'a device without numbers': archive(member({ type: '3', magic: '\0\0\0\0\0\0\0\0' })),
  'an octal number with other digits': archive(member({ uid: '000009\0 ' })),
  'an octal number with text behind': archive(member({ uid: '12x\0' })),
  'no number': archive(member({ uid: '\0\0\0\0\0\0\0\0' })),
  'a negative size': archive(member({ size: '\xff'.repeat(12) })),
  'a negative owner': archive(member({ uid: '\xff'.repeat(8) })),
  'a number beyond what is exact': archive(member({ size: '\x80\0\0\0\x7f' + '\xff'.repeat(7) })),
  'an owner beyond 32 bits': archive(pax([['uid', '4294967296']]), member({})),
  'a pax number with a sign': archive(pax([['size', '+1']]), member({})),
  'a pax time in float notation': archive(pax([['mtime', '1e9']]), member({})),
  'a pax name with a NUL': archive(pax([['path', 'a\0b']]), member({})),
  'an empty pax name': archive(pax([['path', '']]), member({})),
  'a pax record said twice': archive(
    pax([
      ['path', 'a'],
      ['path', 'b'],
    ]),
    member({}),
  ),
  'two pax headers for one member': archive(pax([['path', 'a']]), pax([['uid', '1']]), member({})),
  'a long name and a pax header': archive(member({ type: 'L' }, 'a\0'), pax([['path', 'b']]), member({})),
  'a pax header and a long name': archive(pax([['path', 'b']]), member({ type: 'L' }, 'a\0'), member({})),
  'two long names': archive(member({ type: 'L' }, 'a\0'), member({ type: 'L' }, 'b\0'), member({})),
  'a long name with text behind its end': archive(member({ type: 'L' }, 'a\0b\0'), member({})),
  'a pax header for all with a name': archive(pax([['path', 'a']], 'g'), member({})),
  'a pax header for all with an owner': archive(pax([['uid', '7']], 'g'), member({})),
  'a pax header for all with a size': archive(pax([['size', '1']], 'g'), member({})),
  'a pax header of nothing': archive(pax([['path', 'a']])),
  'a pax record that is too long': archive(member({ type: 'x' }, '99 path=a\n'), member({})),
  'a pax record that is too short': archive(member({ type: 'x' }, '8 path=ab\n'), member({})),
  'a pax record with a leading zero': archive(member({ type: 'x' }, '010 path=a\n'), member({})),
  'a pax record without a key': archive(member({ type: 'x' }, '4 =\n'), member({})),
  'bytes after the pax records': archive(member({ type: 'x' }, `${paxRecord('uid', '1')}\0`), member({})),
  'an unknown word of GNU tar': archive(pax([['GNU.volume.offset', '1']]), member({})),
  'a sparse file of star': archive(pax([['SCHILY.realsize', '9']]), member({})),
  'two values of one attribute': archive(
    pax([
      ['SCHILY.xattr.user.a', 'x'],
      ['LIBARCHIVE.xattr.user.a', 'eQ=='],
    ]),
    member({}),
  ),
  'sparse pieces in disorder': sparse('9000', '2\n2048\n512\n0\n512\n', 'x'.repeat(1024)),
  'sparse pieces that overlap': sparse('9000', '2\n0\n512\n511\n512\n', 'x'.repeat(1024)),
  'a sparse piece beyond the end': sparse('600', '1\n512\n512\n', 'x'.repeat(512)),
  'a member hidden behind the pieces of a sparse file': sparse(
    '9000',
    '1\n0\n512\n',
    'x'.repeat(512) + header({ name: 'hidden' }).toString('latin1'),
  ),
  'a sparse piece in the middle that ends within a block': sparse(
    '9000',
    '2\n0\n100\n1024\n412\n',
    'x'.repeat(512),
  ),
  'a sparse map without an end': sparse('9000', '5\n0\n', ''),
  'a lone block of zeros': Buffer.concat([member({}), Buffer.alloc(512), member({}), END]),
  'a second archive behind the end': Buffer.concat([archive(member({})), archive(member({}))]),
};

describe('TarReader refuses', () => {
  for (const [what, bytes] of Object.entries(BAD)) it(what, () => refuses(bytes));

  it('an archive cut off anywhere before the end of its two blocks of zeros', () => {
    const bytes = archive(pax([['path', 'é']]), member({}, 'data'), member({ name: 'b' }, 'x'.repeat(600)));
    assert.equal(readAll(bytes).length, 2);
    for (let length = 0; length < bytes.length; length += 1) refuses(bytes.subarray(0, length));
  });

  it('any flipped bit in a header', () => {
    const whole = archive(member({ name: 'a' }, 'x'), member({ name: 'b', type: '5' }));
    for (const at of [0, 1024]) {
      for (let byte = at; byte < at + 512; byte += 1) {
        for (let bit = 0; bit < 8; bit += 1) {
          const flipped = Buffer.from(whole);
          flipped[byte] = (flipped[byte] as number) ^ (1 << bit);
          refuses(flipped);
        }
      }
    }
  });

  it('what goes beyond each limit', () => {
    const limits = { ...DEFAULT_TAR_LIMITS };
    const two = archive(member({ name: 'a/b/c' }, 'data'), member({ name: 'd' }, 'data'));
    refuses(two, 'LAYER_TOO_BIG', { ...limits, entries: 1 });
    refuses(two, 'LAYER_TOO_BIG', { ...limits, depth: 2 });
    refuses(two, 'LAYER_TOO_BIG', { ...limits, pathBytes: 4 });
    refuses(two, 'LAYER_TOO_BIG', { ...limits, logicalBytes: 7 });
    assert.equal(readAll(two, { limits: { ...limits, entries: 2, depth: 3, logicalBytes: 8 } }).length, 2);
    const extended = archive(pax([['comment', 'c'.repeat(99)]]), member({}));
    refuses(extended, 'LAYER_TOO_BIG', { ...limits, paxBytes: 99 });
    refuses(sparse('9000', '2\n0\n512\n512\n512\n', 'x'.repeat(1024)), 'LAYER_TOO_BIG', {
      ...limits,
      sparseRegions: 1,
    });
    refuses(header({ type: 'x', size: '77777777777\0' }), 'LAYER_TOO_BIG');
  });

  it('more bytes after an error, with the same error', () => {
    assert.throws(() => readAll(archive(member({ name: 'x/../y\n' })), { chunkBytes: 512 }), {
      code: 'BAD_LAYER',
      message: /at byte 0 of its archive, x\/\.\.\/y\\012: its name has the component/,
    });
  });
});

describe('TarReader accepts', () => {
  const read = (...parts: readonly Buffer[]) => readAll(archive(...parts))[0];

  it('names with slashes and dots that mean nothing', () => {
    for (const name of ['./a/b', 'a//b/', '././a/./b', 'a/b/.']) {
      assert.equal(read(member({ name, type: '5' }))?.path, 'a/b');
    }
    assert.equal(read(member({ name: './', type: '5' }))?.path, '');
    assert.match(read(member({ name: 'old-directory/' }))?.meta ?? '', /^d 644 0 0 0 /);
    assert.equal(read(member({ prefix: 'pre/fix', name: 'n' }))?.path, 'pre/fix/n');
  });

  it('base-256 numbers, owners up to 2^32-1, and times of either sign, exactly', () => {
    const times = {
      '-0.75': '-1.250000000',
      '-1': '-1.000000000',
      '0.1234567891': '0.123456789',
      '-0.0000000001': '-1.999999999',
    };
    for (const [text, time] of Object.entries(times)) {
      const records = [
        ['mtime', text],
        ['uid', '4294967295'],
      ] as const;
      assert.equal(read(pax(records), member({}))?.meta, `f 644 4294967295 0 0 ${time}`);
    }
    assert.equal(
      read(member({ gid: '\x80\0\0\0\0\x20\0\0', mtime: '\xff'.repeat(11) + '\xfe' }))?.meta,
      'f 644 0 2097152 0 -2.000000000',
    );
  });

  it('a pax header for all members with a comment, as git writes it', () => {
    const found = readAll(archive(pax([['comment', 'c'.repeat(40)]], 'g'), member({})));
    assert.deepEqual(
      found.map(({ path }) => path),
      ['file'],
    );
  });

  it('attributes that only libarchive’s words hold, and tells ACLs as text from none', () => {
    assert.equal(read(pax([['LIBARCHIVE.xattr.user.a%2Cb', 'AP8']]), member({}))?.xattrs, 'user.a,b=AP8=');
    const acl = ['SCHILY.acl.access', 'user::rw-'] as const;
    assert.equal(read(pax([acl]), member({}))?.xattrs, 'SCHILY.acl.access=dXNlcjo6cnct');
    const both = pax([acl, ['SCHILY.xattr.system.posix_acl_access', '\x02']]);
    assert.equal(read(both, member({}))?.xattrs, 'system.posix_acl_access=Ag==');
  });
});
