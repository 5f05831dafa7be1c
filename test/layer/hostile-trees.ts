import { harmless, refused, type HostileCase } from './hostile-case.js';
import { archive, member } from './tar-bytes.js';

const file = (name: string, data = '') => member({ name }, data);
const directory = (name: string) => member({ name, type: '5', mode: '0000755\0' });
const symlink = (name: string, linkName: string) => member({ name, linkName, type: '2' });
const hardLink = (name: string, linkName: string) => member({ name, linkName, type: '1' });
const pipe = (name: string) => member({ name, type: '6' });
const device = (name: string) => member({ name, type: '3', devMajor: '0000001\0', devMinor: '0000003\0' });

const KINDS: Readonly<Record<string, (name: string) => Buffer>> = {
  'a file': (name) => file(name, 'x'),
  'a symbolic link': (name) => symlink(name, 'd'),
  'a symbolic link to /': (name) => symlink(name, '/'),
  'a symbolic link to ..': (name) => symlink(name, '..'),
  'a pipe': pipe,
  'a device': device,
};

function* below(): Generator<HostileCase> {
  for (const [what, make] of Object.entries(KINDS)) {
    for (const [other, add] of Object.entries({ ...KINDS, 'a directory': directory })) {
      const bytes = archive(directory('d'), make('a'), add('a/b'));
      yield refused(`${other} below ${what}`, bytes, /a\/b lies below what is no directory/);
    }
    yield refused(
      `a file below ${what} that comes later`,
      archive(directory('d'), file('a/b'), make('a')),
      /lies below/,
    );
    const link = archive(file('x'), directory('d'), make('a'), hardLink('a/b', 'x'));
    yield refused(`a hard link below ${what}`, link, /a\/b lies below/);
    const deep = archive(directory('d'), make('a'), directory('a/b'), directory('a/b/c'), file('a/b/c/e'));
    yield refused(`a file deep below ${what}`, deep, /lies below/);
    const through = archive(directory('d'), file('d/x'), make('a'), hardLink('mine', 'a/x'));
    yield refused(`a hard link to what lies behind ${what}`, through, /which is not there/);
  }
  const hard = archive(file('x'), hardLink('a', 'x'), file('a/b'));
  yield refused('a file below a hard link', hard, /lies below/);
  // tar would make the directory, with an owner and a time that nobody has signed.
  yield refused('a file below nothing', archive(file('a/b')), /a\/b lies below what is no directory/);
}

function* twice(): Generator<HostileCase> {
  const kinds = { ...KINDS, 'a directory': directory, 'a hard link': (name: string) => hardLink(name, 'x') };
  for (const [what, make] of Object.entries(kinds)) {
    for (const [other, add] of Object.entries(kinds)) {
      if (what === 'a directory' && other === what) continue;
      const bytes = archive(directory('d'), file('x'), make('a'), add('a'));
      yield refused(`${what}, and ${other} of the same name`, bytes, /a is there twice/);
    }
  }
  for (const name of ['./a', 'a/', 'a//', './/a', 'a/.']) {
    const bytes = archive(file('a'), directory(name));
    yield refused(`a file a, and a directory ${name}`, bytes, /a is there twice/);
  }
  yield harmless('a directory twice', archive(directory('a'), directory('a/'), directory('./a')));
}

function* hardLinks(): Generator<HostileCase> {
  const GONE = /which is not there/;
  yield refused('a hard link to itself', archive(hardLink('a', 'a')), GONE);
  yield refused('a hard link to itself in other words', archive(hardLink('a', './a')), GONE);
  yield refused('a hard link to what is missing', archive(hardLink('a', 'b')), GONE);
  yield refused('a hard link to what comes later', archive(hardLink('a', 'b'), file('b', 'x')), GONE);
  yield refused('two hard links to each other', archive(hardLink('a', 'b'), hardLink('b', 'a')), GONE);
  yield refused('a hard link to a directory', archive(directory('d'), hardLink('a', 'd')), GONE);
  yield refused(
    'a hard link to a directory by its name with a slash',
    archive(directory('d'), hardLink('a', 'd/')),
    /hard link to a directory/,
  );
  yield refused('a hard link to the root', archive(hardLink('a', '.')), /hard link to a directory/);
  yield refused(
    'a hard link to the root with a slash',
    archive(hardLink('a', './')),
    /hard link to a directory/,
  );
  yield refused('a hard link to nothing', archive(hardLink('a', '')), /no name/);
  yield refused('a hard link to a whiteout', archive(file('.wh.x'), hardLink('a', '.wh.x')), GONE);
  yield refused(
    'a hard link in the place of the root',
    archive(file('x'), hardLink('.', 'x')),
    /no directory/,
  );
  for (const program of [
    'usr/bin/env',
    'bin/sh',
    'etc/passwd',
    'proc/self/exe',
    'lists/0.options',
    'dev/null',
  ]) {
    yield refused(
      `a hard link to ${program}, which is not in the archive`,
      archive(hardLink('a', program)),
      GONE,
    );
  }
  yield harmless('a hard link to a file before it', archive(file('a', 'x'), hardLink('b', 'a')));
  yield harmless(
    'a hard link to a hard link',
    archive(file('a', 'x'), hardLink('b', 'a'), hardLink('c', 'b')),
  );
  yield harmless('a hard link to a symbolic link', archive(symlink('a', '/etc/passwd'), hardLink('b', 'a')));
  yield harmless('a hard link to a pipe', archive(pipe('a'), hardLink('b', 'a')));
  yield harmless('a hard link in other words', archive(file('a', 'x'), hardLink('b', './/a')));
}

function* roots(): Generator<HostileCase> {
  for (const [what, make] of Object.entries(KINDS)) {
    for (const name of ['.', './', './.']) {
      yield refused(
        `${what} in the place of the root, as ${name}`,
        archive(directory('d'), make(name)),
        /no directory|has data/,
      );
    }
  }
  yield harmless('the root', archive(directory('./')));
  yield harmless('the root, twice', archive(directory('./'), directory('.')));
}

/** Archives whose members are right each for itself, and make no tree, or one outside. */
export function* hostileTrees(): Generator<HostileCase> {
  yield* below();
  yield* twice();
  yield* hardLinks();
  yield* roots();
}
