import { refused, type HostileCase } from './hostile-case.js';
import { archive, member, pax, paxRecord } from './tar-bytes.js';

const MALFORMED = /pax header is malformed/;

/** The data of a pax header, raw. */
const rawPax = (data: string) =>
  archive(member({ type: 'x', name: 'PaxHeaders/x' }, data), member({}, 'data'));

const RAW_PAX: Readonly<Record<string, string>> = {
  'a record that is too long': '99 path=a\n',
  'a record that is too short': '8 path=ab\n',
  'a record that is one byte too short': '9 path=ab\n',
  'a length with a zero in front': '010 path=a\n',
  'a length with a plus': '+9 path=a\n',
  'a negative length': '-9 path=a\n',
  'a length of zero': '0 path=a\n',
  'a length in hexadecimal': '0x9 path=a\n',
  'a length of twenty digits': '99999999999999999999 path=a\n',
  'a record without a length': 'path=a\n',
  'a record without a space': '8path=a\n',
  'a record without a newline at its end': '9 path=ab',
  'a record that ends with a NUL': '9 path=a\0',
  'a record without an equals sign': '7 path\n',
  'a record without a key': '4 =\n',
  'a length alone': '2\n',
  'bytes after the records': `${paxRecord('uid', '1')}\0`,
  'text after the records': `${paxRecord('uid', '1')}more`,
  'zeros in place of records': '\0'.repeat(100),
};

const NUMBERS = [
  '-1',
  '+1',
  ' 1',
  '1 ',
  '01',
  '1.0',
  '1e3',
  '0x1',
  '',
  'x',
  '99999999999999999999',
  '9007199254740993',
  '1\0',
];
const TIMES = [
  '1e9',
  '+1',
  '--1',
  '1.',
  '.5',
  '1.5.5',
  '01',
  '',
  ' 1',
  '1 ',
  'x',
  '1.x',
  '-',
  '99999999999999999999',
  '1,5',
];

const UNKNOWN_KEYS = [
  ...[
    'PATH',
    'Path',
    'path ',
    ' path',
    'name',
    'mode',
    'type',
    'filetype',
    'hardlink',
    'realtime.a',
    'security.a',
  ],
  ...[
    'VENDOR.keyword',
    'SCHILY.filetype',
    'SCHILY.devmajor',
    'SCHILY.devminor',
    'SCHILY.offset',
    'SCHILY.tarfiletype',
  ],
  ...[
    'LIBARCHIVE.symlinktype',
    'MSWINDOWS.rawsd',
    'SUN.devmajor',
    'SUN.holesdata',
    'HOLES.a',
    'APPLE.a',
    'TRUSTED.a',
  ],
];
const GNU_KEYS = [
  ...[
    'GNU.dumpdir',
    'GNU.volume.label',
    'GNU.volume.filename',
    'GNU.volume.size',
    'GNU.volume.offset',
    'GNU.a',
    'GNU.sparse.a',
  ],
];

export function* hostilePaxHeaders(): Generator<HostileCase> {
  for (const [what, data] of Object.entries(RAW_PAX))
    yield refused(`a pax header with ${what}`, rawPax(data), MALFORMED);
  for (const key of ['size', 'uid', 'gid']) {
    for (const number of NUMBERS) {
      const bytes = archive(pax([[key, number]]), member({}));
      yield refused(`the pax ${key} ${JSON.stringify(number)}`, bytes, /number in its pax header/);
    }
  }
  for (const key of ['mtime', 'atime', 'ctime']) {
    for (const time of TIMES) {
      const bytes = archive(pax([[key, time]]), member({}));
      yield refused(`the pax ${key} ${JSON.stringify(time)}`, bytes, /(?:time|number) in its pax header/);
    }
  }
  for (const key of ['uid', 'gid']) {
    yield refused(
      `a pax ${key} beyond 32 bits`,
      archive(pax([[key, '4294967296']]), member({})),
      /out of range/,
    );
  }
  for (const key of UNKNOWN_KEYS)
    yield refused(`the pax key ${JSON.stringify(key)}`, archive(pax([[key, '1']]), member({})), /unknown/);
  for (const key of GNU_KEYS)
    yield refused(`the pax key ${key}`, archive(pax([[key, '1']]), member({})), /map of a sparse file/);
  yield refused(
    'a sparse file of star',
    archive(pax([['SCHILY.realsize', '9']]), member({})),
    /format of star/,
  );
  yield refused(
    'an unknown charset of names',
    archive(pax([['hdrcharset', 'ISO-8859-1']]), member({})),
    /unknown/,
  );
  for (const key of ['path', 'size', 'uid', 'mtime', 'comment', 'SCHILY.xattr.user.a', 'GNU.sparse.major']) {
    const twice = archive(pax([[key, '0'], [key, '0']]), member({})); // prettier-ignore
    yield refused(`the pax key ${key} twice`, twice, /twice/);
  }
  for (const key of [
    'path',
    'linkpath',
    'size',
    'uid',
    'gid',
    'mtime',
    'hdrcharset',
    'SCHILY.xattr.user.a',
    'GNU.sparse.major',
    'x',
  ]) {
    yield refused(
      `the pax key ${key} for all members`,
      archive(pax([[key, '1']], 'g'), member({})),
      /for all members has/,
    );
  }
  yield refused(
    'two pax headers of one member',
    archive(pax([['path', 'a']]), pax([['uid', '1']]), member({})),
    /follows another/,
  );
  yield refused(
    'a pax header for all between',
    archive(pax([['path', 'a']]), pax([['comment', '1']], 'g'), member({})),
    /follows another/,
  );
  yield refused(
    'a long name and a pax header',
    archive(member({ type: 'L' }, 'a\0'), pax([['uid', '1']]), member({})),
    /follows another/,
  );
  yield refused(
    'a pax header and a long name',
    archive(pax([['uid', '1']]), member({ type: 'L' }, 'a\0'), member({})),
    /given twice/,
  );
  yield refused(
    'a pax header with a size of 8 GiB',
    archive(member({ type: 'x', size: '77777777777\0' })),
    /header in front of it has/,
  );
  yield refused(
    'a pax header with more than its limit',
    archive(pax([['comment', 'c'.repeat(1 << 21)]]), member({})),
    /pax header has/,
  );
  for (const name of ['', 'a b', 'a\tb', 'a\n', '\x7f']) {
    const bytes = archive(pax([[`SCHILY.xattr.${name}`, '1']]), member({}));
    yield refused(`the attribute ${JSON.stringify(name)}`, bytes, /name of an extended attribute|malformed/);
  }
  const two = archive(pax([['SCHILY.xattr.user.a', 'x'], ['LIBARCHIVE.xattr.user.a', 'eQ==']]), member({})); // prettier-ignore
  yield refused('two values of one attribute', two, /two values/);
  yield refused(
    'an attribute that is no base64',
    archive(pax([['LIBARCHIVE.xattr.user.a', '*']]), member({})),
    /no base64/,
  );
}
