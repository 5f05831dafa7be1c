import fc from 'fast-check';

/** What is done to an archive; numbers choose among what is there, whatever their size. */
export type Mutation =
  | { readonly kind: 'field'; readonly at: number; readonly field: number; readonly value: string }
  | { readonly kind: 'byte'; readonly at: number; readonly offset: number; readonly value: number }
  | { readonly kind: 'flip'; readonly at: number; readonly bit: number }
  | { readonly kind: 'move' | 'copy' | 'swap'; readonly from: number; readonly to: number }
  | { readonly kind: 'drop'; readonly at: number }
  | { readonly kind: 'pax'; readonly at: number; readonly record: number; readonly edit: PaxEdit }
  | { readonly kind: 'map'; readonly at: number; readonly number: number; readonly value: string }
  | { readonly kind: 'splice'; readonly other: number; readonly from: number; readonly to: number }
  | { readonly kind: 'zeros'; readonly at: number; readonly bytes: number }
  | { readonly kind: 'cut'; readonly at: number };

export type PaxEdit =
  | { readonly how: 'drop' | 'repeat' }
  | { readonly how: 'key'; readonly key: string; readonly value: string }
  | { readonly how: 'value'; readonly key: string; readonly value: string }
  | { readonly how: 'add'; readonly key: string; readonly value: string };

const NUMBERS = [
  ...[
    '0000000\0',
    '7777777\0',
    '77777777',
    '0000644 ',
    '     0\0 ',
    '000001',
    '1\0',
    '',
    ' ',
    '-1',
    '+5',
    '0x10',
  ],
  ...['00000000000\0', '00000000001\0', '00000001000\0', '00000000777\0', '77777777777\0', '777777777777'],
  ...[
    '\x80\0\0\0\0\0\0\x01',
    '\x80\0\0\0\0\0\0\0\0\0\0\x01',
    '\xff'.repeat(8),
    '\xff'.repeat(12),
    '\x80' + '\xff'.repeat(11),
  ],
  ...['\xc0\0\0\0\0\0\0\0', '12 34\0', '1 ', '9', '\0\0\0\0\0\0\0\0', '100644 \0', '0100644\0'],
];
const NAMES = [
  ...[
    'a',
    './a',
    'a/',
    'a//b',
    '/',
    '.',
    './',
    '..',
    '../a',
    'a/../b',
    '/etc/a',
    '',
    ' ',
    'é',
    '\xff',
    'a\n',
    'b/.',
    './.',
  ],
  ...[
    '.wh.a',
    '.wh..wh..opq',
    '.wh.',
    'GNUSparseFile.0/a',
    'x'.repeat(100),
    `${'d/'.repeat(49)}e`,
    'a\0b',
    '\0a',
  ],
];
const TYPES = [...'01234567ABDEGIKLMNSVXgx\0 \xff'];
const MAGIC = [
  'ustar\x0000',
  'ustar  \0',
  '\0\0\0\0\0\0\0\0',
  'ustar\0\0\0',
  'ustar  0',
  'USTAR\x0000',
  'ustar\x0001',
  'garbage!',
];
const KEYS = [
  ...[
    'path',
    'linkpath',
    'size',
    'uid',
    'gid',
    'mtime',
    'atime',
    'ctime',
    'uname',
    'gname',
    'comment',
    'charset',
    'hdrcharset',
  ],
  ...[
    'GNU.sparse.major',
    'GNU.sparse.minor',
    'GNU.sparse.name',
    'GNU.sparse.realsize',
    'GNU.sparse.size',
    'GNU.sparse.map',
  ],
  ...[
    'GNU.sparse.numblocks',
    'GNU.sparse.offset',
    'GNU.sparse.numbytes',
    'GNU.dumpdir',
    'GNU.volume.label',
    'GNU.volume.size',
  ],
  ...[
    'SCHILY.xattr.user.a',
    'SCHILY.xattr.user.',
    'SCHILY.xattr.',
    'SCHILY.xattr.trusted.x',
    'SCHILY.acl.access',
    'SCHILY.dev',
  ],
  ...[
    'SCHILY.realsize',
    'SCHILY.filetype',
    'SCHILY.fflags',
    'SCHILY.devmajor',
    'LIBARCHIVE.xattr.user.b',
    'LIBARCHIVE.creationtime',
  ],
  ...['LIBARCHIVE.symlinktype', 'RHT.security.selinux', 'VENDOR.key', '', '=', ' ', 'Path', 'path ', '\xff'],
];
const VALUES = [
  ...[
    '',
    '0',
    '1',
    '-1',
    '+1',
    '00',
    '007',
    '1.5',
    '1.',
    '.5',
    '-0.75',
    '-0',
    '-1.25',
    '1e9',
    '512',
    '1024',
    '4096',
    '65536',
  ],
  ...[
    '4294967295',
    '4294967296',
    '9007199254740993',
    '99999999999',
    '1.0000000001',
    '1.9999999999',
    'text',
    ' 1',
    '1 ',
    '1\n',
  ],
  ...[
    '0,512',
    '0,0',
    '512,512',
    '0,512,1024,512',
    ',',
    'BINARY',
    'ISO-IR 10646 2000 UTF-8',
    'ISO-8859-1',
    '\0',
    'a\0b',
    'x'.repeat(200),
  ],
];

const number = fc.nat(1_000_000);
const value = fc.constantFrom(...NUMBERS, ...NAMES, ...TYPES, ...MAGIC);
const paxEdit: fc.Arbitrary<PaxEdit> = fc.oneof(
  fc.record({ how: fc.constantFrom('drop' as const, 'repeat' as const) }),
  fc.record({
    how: fc.constantFrom('key' as const, 'value' as const, 'add' as const),
    key: fc.constantFrom(...KEYS),
    value: fc.constantFrom(...VALUES, ...NAMES),
  }),
);

export const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ kind: fc.constant('field' as const), at: number, field: number, value }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('byte' as const),
      at: number,
      offset: fc.nat(511),
      value: fc.nat(255),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('flip' as const), at: number, bit: fc.nat(7) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constantFrom('move' as const, 'copy' as const, 'swap' as const),
      from: number,
      to: number,
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('drop' as const), at: number }) },
  {
    weight: 8,
    arbitrary: fc.record({ kind: fc.constant('pax' as const), at: number, record: number, edit: paxEdit }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('map' as const),
      at: number,
      number,
      value: fc.constantFrom(...VALUES),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('splice' as const), other: number, from: number, to: number }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('zeros' as const),
      at: number,
      bytes: fc.constantFrom(512, 1024, 1, 511, 513, 10240),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('cut' as const), at: number }) },
);
