import { harmless, refused, type HostileCase } from './hostile-case.js';
import { archive, member, pax } from './tar-bytes.js';

/** The ways in which an archive gives a member of a type its name. */
const PLACES: Readonly<Record<string, (name: string, type: string) => Buffer>> = {
  'in its header': (name, type) => member({ name, ...linkFor(type) }),
  'in a pax header': (name, type) => Buffer.concat([pax([['path', name]]), member(linkFor(type))]),
  'in a long name of GNU tar': (name, type) =>
    Buffer.concat([
      member({ type: 'L', magic: 'ustar  \0' }, `${name}\0`),
      member({ magic: 'ustar  \0', ...linkFor(type) }),
    ]),
  'with a prefix': (name, type) => member({ prefix: name, name: 'x', ...linkFor(type) }),
};

const linkFor = (type: string) => ({ type, ...(type === '1' || type === '2' ? { linkName: 'before' } : {}) });

const TYPE_NAMES: Readonly<Record<string, string>> = {
  ...{ '0': 'a file', '5': 'a directory', '2': 'a symbolic link', '1': 'a hard link', '6': 'a pipe' },
};

const OUTSIDE: Readonly<Record<string, readonly [string, RegExp]>> = {
  'an absolute name': ['/etc/passwd', /absolute/],
  'an absolute name with two slashes': ['//etc/passwd', /absolute/],
  'the name /': ['/', /absolute/],
  'the name ..': ['..', /component `\.\.`/],
  'a name that begins with ..': ['../a', /component `\.\.`/],
  'a name that ends with ..': ['a/..', /component `\.\.`/],
  'a name that climbs in the middle': ['a/../../b', /component `\.\.`/],
  'a name that climbs and comes back': ['a/../a', /component `\.\.`/],
  'a name that climbs behind dots': ['./.././a', /component `\.\.`/],
  'a name that climbs behind slashes': ['a//..//..//b', /component `\.\.`/],
};

const WHITEOUTS: Readonly<Record<string, readonly [string, RegExp]>> = {
  'a whiteout of nothing': ['.wh.', /unknown kind/],
  'a whiteout of the directory itself': ['.wh..', /unknown kind/],
  'a whiteout of the directory above': ['.wh...', /unknown kind/],
  'a whiteout of the directory above, deep': ['a/b/.wh...', /unknown kind/],
  'a whiteout of a whiteout': ['.wh..wh.a', /unknown kind/],
  'an opaque whiteout of AUFS': ['.wh..wh.aufs', /unknown kind/],
  'a directory of AUFS': ['.wh..wh.plnk', /unknown kind/],
  'a file below a whiteout': ['.wh.a/b', /below a whiteout/],
  'a whiteout below a whiteout': ['.wh.a/.wh.b', /below a whiteout/],
  'an opaque whiteout below a whiteout': ['.wh.a/.wh..wh..opq', /below a whiteout/],
};

function* outside(): Generator<HostileCase> {
  const before = member({ name: 'before' });
  for (const [what, [name, reason]] of Object.entries(OUTSIDE)) {
    for (const [where, write] of Object.entries(PLACES)) {
      for (const [type, typeName] of Object.entries(TYPE_NAMES)) {
        yield refused(`${what} of ${typeName} ${where}`, archive(before, write(name, type)), reason);
      }
    }
  }
  for (const [what, [name, reason]] of Object.entries(OUTSIDE)) {
    const link = member({ name: 'mine', type: '1', linkName: name });
    yield refused(`${what} as what is linked to`, archive(before, link), reason);
    const long = Buffer.concat([pax([['linkpath', name]]), member({ name: 'mine', type: '1' })]);
    yield refused(`${what} as what is linked to, in a pax header`, archive(before, long), reason);
  }
}

function* whiteouts(): Generator<HostileCase> {
  for (const [what, [name, reason]] of Object.entries(WHITEOUTS)) {
    yield refused(what, archive(member({ name })), reason);
    yield refused(`${what} in a pax header`, archive(pax([['path', name]]), member({})), reason);
  }
  const NOT_EMPTY = /no empty file/;
  for (const name of ['.wh.a', 'dir/.wh.a', '.wh..wh..opq']) {
    yield refused(`a whiteout ${name} with data`, archive(member({ name }, 'data')), NOT_EMPTY);
    yield refused(`a whiteout ${name} that is a directory`, archive(member({ name, type: '5' })), NOT_EMPTY);
    yield refused(
      `a whiteout ${name} that is a symbolic link`,
      archive(member({ name, type: '2', linkName: 'x' })),
      NOT_EMPTY,
    );
    yield refused(`a whiteout ${name} that is a pipe`, archive(member({ name, type: '6' })), NOT_EMPTY);
    yield refused(`a whiteout ${name} that is a device`, archive(member({ name, type: '3' })), NOT_EMPTY);
    const hard = archive(member({ name: 'x' }), member({ name, type: '1', linkName: 'x' }));
    yield refused(`a whiteout ${name} that is a hard link`, hard, NOT_EMPTY);
    const dressed = archive(pax([['SCHILY.xattr.user.a', 'x']]), member({ name }));
    yield refused(`a whiteout ${name} with an attribute`, dressed, NOT_EMPTY);
  }
}

function* otherwiseWrong(): Generator<HostileCase> {
  for (const type of ['0', '2', '5', '6']) {
    const typeName = TYPE_NAMES[type] ?? '';
    const own = { type, ...(type === '2' ? { linkName: 'x' } : {}) };
    yield refused(`${typeName} without a name`, archive(member({ ...own, name: '\0' })), /no name/);
    yield refused(
      `${typeName} without a name in its pax header`,
      archive(pax([['path', '']]), member(own)),
      /no name/,
    );
    yield refused(`${typeName} whose name holds a NUL`, archive(pax([['path', 'a\0b']]), member(own)), /NUL/);
    yield refused(
      `${typeName} whose name ends with a NUL`,
      archive(pax([['path', 'a\0']]), member(own)),
      /NUL/,
    );
    const deep = archive(pax([['path', 'd/'.repeat(3000) + 'e']]), member(own));
    yield refused(`${typeName} of 3,000 components`, deep, /3001 components/);
    const long = archive(pax([['path', 'n'.repeat(70_000)]]), member(own));
    yield refused(`${typeName} whose name has 70,000 bytes`, long, /70000 bytes/);
    if (type === '5') continue;
    for (const name of ['.', './', 'a/.', 'a/./']) {
      yield refused(
        `${typeName} with the name ${name}`,
        archive(member({ ...own, name })),
        /no directory|not there|has data/,
      );
    }
  }
  for (const type of ['1', '2', '6']) {
    yield refused(
      `${TYPE_NAMES[type]} with a slash at its end`,
      archive(member({ name: 'a/', ...linkFor(type) })),
      /no directory/,
    );
  }
  yield refused(
    'a long name that is empty',
    archive(member({ type: 'L' }, '\0'), member({})),
    /long name is malformed/,
  );
  yield refused(
    'a long name with a NUL inside',
    archive(member({ type: 'L' }, 'a\0b\0'), member({})),
    /long name is malformed/,
  );
  const endless = archive(member({ type: 'L' }, 'ab'), member({}));
  yield refused('a long name without a NUL at its end', endless, /long name is malformed/);
  yield refused(
    'a long name of nothing',
    archive(member({ type: 'L' }), member({})),
    /long name is malformed/,
  );
  yield refused(
    'a long name beyond the limit',
    archive(member({ type: 'L' }, 'n'.repeat(70_000)), member({})),
    /70000 bytes/,
  );
  yield refused(
    'two long names',
    archive(member({ type: 'L' }, 'a\0'), member({ type: 'L' }, 'b\0'), member({})),
    /given twice/,
  );
  yield refused(
    'two long targets',
    archive(member({ type: 'K' }, 'a\0'), member({ type: 'K' }, 'b\0'), member({ type: '2' })),
    /given twice/,
  );
  yield refused('a long target of a file', archive(member({ type: 'K' }, 'a\0'), member({})), /has a target/);
  yield refused(
    'a target of a file in its pax header',
    archive(pax([['linkpath', 'a']]), member({})),
    /has a target/,
  );
  yield refused(
    'a target of a directory in its pax header',
    archive(pax([['linkpath', 'a']]), member({ type: '5' })),
    /has a target/,
  );
  yield refused('a symbolic link to no name', archive(member({ type: '2' })), /no name/);
  yield refused(
    'a symbolic link to a name with a NUL',
    archive(pax([['linkpath', 'a\0b']]), member({ type: '2' })),
    /no name/,
  );
  yield refused('a long name with nothing behind', archive(member({ type: 'L' }, 'a\0')), /is announced/);
  yield refused('a pax header with nothing behind', archive(pax([['path', 'a']])), /is announced/);
}

const DIRECTORY = member({ name: 'd', type: '5', mode: '0000755\0' });

export function* hostileNames(): Generator<HostileCase> {
  yield* outside();
  yield* whiteouts();
  yield* otherwiseWrong();
  for (const name of [
    'd//b',
    './a',
    'd/./b',
    './/a',
    '...',
    '.whatever',
    'wh.a',
    'a\nb',
    'a\\b',
    '-a',
    '--b=c',
    '~',
    '*',
  ]) {
    yield harmless(`the name ${JSON.stringify(name)}`, archive(DIRECTORY, member({ name })));
    yield harmless(
      `the name ${JSON.stringify(name)} in a pax header`,
      archive(DIRECTORY, pax([['path', name]]), member({})),
    );
  }
  for (const target of ['/etc/passwd', '../../..', '/', '.', '..', './a/../b', 'a//b', '\n']) {
    yield harmless(
      `a symbolic link to ${JSON.stringify(target)}`,
      archive(member({ name: 'l', type: '2', linkName: target })),
    );
  }
  yield harmless('a file that is a directory by the slash at its end', archive(member({ name: 'old/' })));
}
