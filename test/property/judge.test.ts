import assert from 'node:assert/strict';
import { mkdir, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
  assertEqualTrees,
  countLeftOut,
  expectRestored,
  listDifferences,
  type Difference,
} from '../../fixtures/trees/compare-trees.js';
import { describeTree, type TreeDescription } from '../../fixtures/trees/describe-tree.js';
import { changeTree, growTree, runOperations } from '../../fixtures/trees/grow-tree.js';
import { CHANGE_KINDS, type Operation } from '../../fixtures/trees/plan.js';
import { everything } from '../../fixtures/trees/everything.js';
import { execInIdMap } from '../../lib/id-map.js';
import { copyTree, removeTree } from '../../lib/rootfs/move-tree.js';

type Field = Difference['field'];

/** What sets one tree apart from another, and the fields in which the judge must find it, and no other. */
const DIFFERENCES: readonly (readonly [string, readonly Field[], ...Operation[]])[] = [
  ['one byte of content, the time set back', ['content'], ['change', 'rewrite-keep-mtime', 0, 0, 0, '']],
  ['a nanosecond', ['mtime'], ['mtime', 'f/data', -5, 1]],
  ['the nanosecond of a directory', ['mtime'], ['mtime', 'd', 4_294_967_296, 8]],
  ['the nanosecond of a symlink', ['mtime'], ['mtime', 's/abs', -7, 2]],
  ['the time of a fifo', ['mtime'], ['mtime', 'fifo', 1, 2]],
  ['the time of the root', ['mtime'], ['mtime', '', 1_600_000_000, 43]],
  ['a permission bit', ['mode'], ['mode', 'f/data', 0o4754]],
  ['setuid', ['mode'], ['mode', 'f/data', 0o755]],
  ['setgid of a directory', ['mode', 'acl'], ['mode', 'd', 0o0755]],
  ['sticky', ['mode'], ['mode', 'sticky', 0o777]],
  ['the mode of an unreadable directory', ['mode'], ['mode', 'closed', 0o100]],
  ['a user', ['uid'], ['own', 'f/size511', 1001, 0]],
  ['a group', ['gid'], ['own', 'f/size511', 0, 65535]],
  ['the owner of a symlink', ['uid'], ['own', 's/abs', 3, 2]],
  [
    'what a symlink points to',
    ['target', 'size'],
    ['remove', 's/abs'],
    ['symlink', 's/abs', '/etc/passwd '],
    ['own', 's/abs', 1, 2],
    ['mtime', 's/abs', -7, 1],
  ],
  ['a value of an xattr', ['xattrs'], ['xattr', 'x/attrs', 'user.bin', '\0\xfe']],
  ['an empty xattr more', ['xattrs'], ['xattr', 'x/attrs', 'user.more', '']],
  ['an xattr of a directory', ['xattrs'], ['xattr', 'd', 'user.more', 'v']],
  ['a newline in a value', ['xattrs'], ['xattr', 'x/attrs', 'user.line', 'a\nb']],
  ['an xattr under an odd name', ['xattrs'], ['xattr', '-n\new\\ \xff', 'user.a', '2']],
  ['a capability', ['xattrs'], ['change', 'capability-set', 4, 0, 0, '']],
  ['an access ACL', ['xattrs', 'acl'], ['acl', 'x/attrs', 'access', 1, 65536, 0o644]],
  ['a default ACL', ['xattrs', 'acl'], ['acl', 'd', 'default', 1, 3, 0o765]],
  ['a missing file', ['missing'], ['remove', 'f/size511']],
  ['a missing empty directory', ['missing'], ['remove', 'empty']],
  ['one file more', ['extra'], ['file', 'more', 0, 0]],
  ['one name of a file more', ['extra', 'links'], ['link', 'f/more', 'f/data']],
  ['a name of a file that is a copy', ['links', 'linkedWith'], ['change', 'replace-same', 3, 0, 0, '']],
];

/** Gives the directories of one tree the times that they have in another. */
const SET_BACK = `cd -- "$1"
find . -type d ! -path '*ddd/*' -print0 | while IFS= read -r -d "" dir; do
  [ ! -d "$2/$dir" ] || touch --reference="$dir" -- "$2/$dir"
done`;

describe('the judge', () => {
  let work: string;
  let original: string;
  let untouched: TreeDescription;
  before(async () => {
    work = await mkdtemp(join(tmpdir(), 'judge-'));
    original = join(work, 'original');
    await mkdir(original);
    await growTree(original, everything);
    untouched = await describeTree(await changeCopy([]));
  });
  after(() => removeTree(work));

  /** Changes a copy of the tree, and sets back the time of every directory, which removing and making changes too. */
  async function changeCopy(operations: readonly Operation[]): Promise<string> {
    const copy = await mkdtemp(join(work, 'copy-'));
    await copyTree(original, copy);
    await runOperations(
      copy,
      operations.filter(([name]) => name !== 'mtime'),
    );
    await execInIdMap(['bash', '-c', SET_BACK, 'bash', original, copy]);
    await runOperations(
      copy,
      operations.filter(([name]) => name === 'mtime'),
    );
    return copy;
  }

  test('finds a copy by GNU tar with all flags equal, less the sockets', async () => {
    const expected = await describeTree(original);
    assert.deepEqual(countLeftOut(expected), { sockets: 1, devices: 1 });
    const copy = await describeTree(await changeCopy([]));
    const withDevice = new Map([...expected].filter(([, entry]) => entry.type !== 's'));
    assertEqualTrees(copy, withDevice);
    assertEqualTrees(expectRestored(copy), expectRestored(expected));
  });

  test('finds a copy by cp -a equal', async () => {
    const copy = join(work, 'cp');
    await execInIdMap(['cp', '-a', '--sparse=auto', '--', original, copy]);
    assertEqualTrees(await describeTree(copy), await describeTree(original));
  });

  for (const [what, fields, ...operations] of DIFFERENCES) {
    test(`tells apart ${what}, and finds nothing else`, async () => {
      const differences = listDifferences(await describeTree(await changeCopy(operations)), untouched);
      assert.deepEqual(new Set(differences.map(({ field }) => field)), new Set(fields), differences[0]?.text);
      assert.ok(differences.length <= 2 * fields.length, differences.map(({ text }) => text).join('\n'));
    });
  }

  test('tells apart another type of entry', async () => {
    const operations: Operation[] = ['fifo', 'empty'].map((path) => ['remove', path]);
    const copy = await changeCopy([...operations, ['file', 'fifo', 0, 0], ['symlink', 'empty', 'd']]);
    const differences = listDifferences(await describeTree(copy), untouched);
    assert.deepEqual(
      differences.filter(({ field }) => field === 'type').map(({ path }) => path),
      ['./empty', './fifo'],
    );
  });

  test('tells apart two hard-link groups with the same counts', async () => {
    const tree = (targets: readonly [string, string]): Operation[] => [
      ...['a', 'b'].map((name) => ['file', name, 3, 0]),
      ...targets.map((target, number) => ['link', `link${number}`, target]),
      ...['a', 'b', ''].map((name) => ['mtime', name, 5, 5]),
    ];
    const [one, other] = [await mkdtemp(join(work, 'a-')), await mkdtemp(join(work, 'b-'))];
    await runOperations(one, tree(['a', 'b']));
    await runOperations(other, tree(['b', 'a']));
    const differences = listDifferences(await describeTree(one), await describeTree(other));
    assert.deepEqual(new Set(differences.map(({ field }) => field)), new Set(['linkedWith']));
  });

  test('tells apart a file with holes from one that is filled', async () => {
    const [one, other] = [await mkdtemp(join(work, 'a-')), await mkdtemp(join(work, 'b-'))];
    await runOperations(one, [['sparse', 'f', 1 << 20]]);
    await execInIdMap(['cp', '-a', '--sparse=never', '--', join(one, 'f'), join(other, 'f')]);
    await runOperations(one, [['mtime', '', 5, 5]]);
    await runOperations(other, [['mtime', '', 5, 5]]);
    const [sparse, filled] = [await describeTree(one), await describeTree(other)];
    assert.deepEqual(
      listDifferences(filled, sparse).map(({ field }) => field),
      ['blocks'],
    );
  });

  test('every kind of change finds something to change, and is seen', async () => {
    for (const kind of CHANGE_KINDS) {
      const copy = await mkdtemp(join(work, 'change-'));
      await copyTree(original, copy);
      const [line = ''] = await changeTree(copy, [{ kind, a: 0, b: 1, value: 3, name: 'new' }]);
      assert.doesNotMatch(line, /nothing fit/, kind);
      const [difference] = listDifferences(await describeTree(copy), untouched);
      if (kind !== 'replace-same' && kind !== 'become-directory-and-back') assert.ok(difference, line);
    }
  });
});
