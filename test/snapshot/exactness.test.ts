import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { extractContainer, packBase, type BasePlan } from '../../fixtures/trees/base-tarball.js';
import { assertEqualTrees, countLeftOut, expectRestored } from '../../fixtures/trees/compare-trees.js';
import { describeTree } from '../../fixtures/trees/describe-tree.js';
import { everything } from '../../fixtures/trees/everything.js';
import { changeTree, growTree, runOperations } from '../../fixtures/trees/grow-tree.js';
import { libraryEngine } from '../../fixtures/trees/library-engine.js';
import type { Saved } from '../../fixtures/trees/snapshot-engine.js';
import { CHANGE_KINDS, planOperations, type Operation } from '../../fixtures/trees/plan.js';
import { parseProjectHash, sha256Hex } from '../../lib/digest.js';
import { RbmResumeError } from '../../lib/errors.js';
import { writeListing } from '../../lib/rootfs/baseline.js';
import { removeTree } from '../../lib/rootfs/move-tree.js';

const hash = parseProjectHash(sha256Hex('exactness'));

describe('a restored tree', () => {
  let work: string;
  beforeEach(async () => {
    work = await mkdtemp(join(tmpdir(), 'exactness-'));
    await mkdir(join(work, 'container'));
  });
  afterEach(() => removeTree(work));

  interface Start {
    readonly base: string | null;
    readonly baseline: string | null;
  }
  const nothing: Start = { base: null, baseline: null };

  /** Saves the container, restores it and compares both with what it was. */
  async function checkRoundTrip({ base, baseline }: Start = nothing): Promise<void> {
    const [container, restored] = [join(work, 'container'), join(work, 'restored')];
    const before = await describeTree(container);
    const saved = await saveAndRestore({ base, baseline });
    assertEqualTrees(await describeTree(container), before);
    assert.deepEqual(saved.leftOut, countLeftOut(before));
    assertEqualTrees(await describeTree(restored), expectRestored(before));
  }

  async function saveAndRestore({ base, baseline }: Start): Promise<Saved> {
    const saved = await libraryEngine.save(join(work, 'store'), {
      ...{ hash, rootfs: join(work, 'container'), base, baseline },
      ...{ parent: null, compression: 'zstd', withoutBase: false },
    });
    const dir = join(work, 'restored');
    await libraryEngine.restore(join(work, 'store'), { reference: hash, dir, base: null });
    return saved;
  }

  /** A container made of a base that holds everything, and its listing. */
  const startFromBase = (): Promise<Start> =>
    startFrom([...planOperations(everything), ['remove', 'device']], {
      format: 'posix',
      hasXattrs: true,
      isSparse: true,
      compression: 'zst',
    });

  /** A container made of a base that such operations have made, and its listing. */
  async function startFrom(
    operations: readonly Operation[],
    plan: BasePlan = { format: 'gnu', hasXattrs: false, isSparse: false, compression: 'none' },
  ): Promise<Start> {
    const origin = join(work, 'origin');
    await mkdir(origin);
    await runOperations(origin, operations);
    const base = await packBase(origin, join(work, 'base'), plan);
    await removeTree(join(work, 'container'));
    await extractContainer(base, join(work, 'container'));
    const baseline = join(work, 'baseline');
    await writeListing(join(work, 'container'), baseline);
    return { base, baseline };
  }

  const withContainer = (operations: readonly Operation[]): Promise<string[]> =>
    runOperations(join(work, 'container'), operations);

  test('has everything that a tree can hold, without a base', async () => {
    await growTree(join(work, 'container'), everything);
    await checkRoundTrip();
  });

  test('has what a base brought, less the xattrs that rbm does not extract', async () => {
    await checkRoundTrip(await startFromBase());
  });

  for (const kind of CHANGE_KINDS) {
    test(`has what the build did with the base: ${kind}`, async () => {
      const start = await startFromBase();
      const changes = [0, 3, 17].map((a) => ({ kind, a, b: a + 1, value: a + 2, name: `new${a}` }));
      const done = await changeTree(join(work, 'container'), changes);
      await checkRoundTrip(start).catch((error: Error) => {
        error.message += `\n${done.join('\n')}`;
        throw error;
      });
    });
  }

  // Each has names before and after that of the directory, so once its own name is the first, and once a link to another.
  for (const [what, operations] of Object.entries({
    'a file': [['file', 'full', 5, 5]],
    'a sparse file': [['sparse', 'full', 300_000, 200_000, 5000]],
    'a symbolic link': [['symlink', 'full', 'other']],
    'a symbolic link to where its files are now': [
      ['dir', 'moved'],
      ['file', 'moved/in', 3, 3],
      ['symlink', 'full', 'moved'],
    ],
    'a fifo': [['fifo', 'full']],
    'a socket': [['socket', 'full']],
    'a device': [['device', 'full']],
    'an empty directory': [['dir', 'full']],
    'a file with a second name behind it': [
      ['file', 'full', 5, 5],
      ['link', 'second', 'full'],
    ],
    'a file with a second name before it': [
      ['file', 'before', 5, 5],
      ['link', 'full', 'before'],
    ],
    'a symbolic link with a second name before it': [
      ['symlink', 'before', 'other'],
      ['link', 'full', 'before'],
    ],
    'a second name of an old file': [['link', 'full', 'an-old-one']],
    'a second name of what was in it': [
      ['link', 'before', 'full/in'],
      ['remove', 'full'],
      ['link', 'full', 'before'],
    ],
  } satisfies Record<string, readonly Operation[]>)) {
    test(`has what took the place of a directory that held something: ${what}`, async () => {
      const start = await startFrom([
        ['file', 'an-old-one', 3, 3],
        ['dir', 'other'],
        ['dir', 'full'],
        ['dir', 'full/deep'],
        ['file', 'full/in', 3, 3],
        ['file', 'full/deep/in', 3, 3],
      ]);
      if (what !== 'a second name of what was in it') await withContainer([['remove', 'full']]);
      await withContainer(operations);
      await checkRoundTrip(start);
    });
  }

  test('has a sparse file of more than 8 GiB, with its holes', { timeout: 1_200_000 }, async () => {
    const size = 2 ** 33 + 12_345;
    await withContainer([
      ['sparse', 'huge', size, 0, 10, 2 ** 32 + 1, 100, size - 7, 7],
      ['mtime', 'huge', -1, 999_999_999],
    ]);
    const [container, restored] = [join(work, 'container'), join(work, 'restored')];
    await saveAndRestore(nothing);
    // Reading the holes, as the other tests do, would take two minutes.
    const look = (dir: string) =>
      execFileSync('stat', ['-c', '%s %b %.9Y', join(dir, 'huge')], { encoding: 'utf8' });
    assert.equal(look(restored), look(container));
    assert.match(look(restored), /^8589946937 (\d{1,2}|1\d\d) -0\.000000001$/m);
    for (const at of [0, 2 ** 32, size - 5000])
      execFileSync('cmp', [
        `--ignore-initial=${at}`,
        '-n5000',
        join(container, 'huge'),
        join(restored, 'huge'),
      ]);
  });

  test('has `dev` as the build made it, not as the base has it', async () => {
    const start = await startFrom([
      ['dir', 'dev'],
      ['file', 'dev/of-base', 5, 5],
    ]);
    await withContainer([
      ['dir', 'dev'],
      ['file', 'dev/of-build', 5, 5],
    ]);
    await checkRoundTrip(start);
  });

  for (const name of ['.wh.file', '.wh..wh..opq']) {
    test(`is exact or refused when a build makes the name ${name}`, async () => {
      await withContainer([
        ['dir', 'd'],
        ['file', 'd/file', 3, 3],
        ['file', `d/${name}`, 3, 3],
      ]);
      await checkExactOrRefused();
    });
  }

  test('is exact or refused when a fifo has two names, which GNU tar cannot tell', async () => {
    await withContainer([
      ['fifo', 'fifo'],
      ['link', 'second', 'fifo'],
    ]);
    await checkExactOrRefused();
  });

  for (const [what, name] of [
    ['a line break', 'user.a\nb'],
    ['a space', 'user.a b'],
  ] as const) {
    test(`is exact or refused when the name of an xattr has ${what} in it`, async () => {
      await withContainer([
        ['file', 'f', 3, 3],
        ['xattr', 'f', name, 'v'],
      ]);
      await checkExactOrRefused();
    });
  }

  /** A snapshot that is refused with a code costs a resume; one that is not exact costs a wrong output. */
  async function checkExactOrRefused(): Promise<void> {
    await checkRoundTrip().catch((error: unknown) => {
      if (!(error instanceof RbmResumeError)) throw error;
      assert.notEqual(error.code, 'COMMAND_FAILED');
    });
  }
});
