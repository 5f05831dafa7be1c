import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { after, before, beforeEach, describe, it } from 'node:test';
import { assertEqualTrees, expectRestored } from '../../fixtures/trees/compare-trees.js';
import { describeTree, type TreeDescription } from '../../fixtures/trees/describe-tree.js';
import { parseProjectHash, sha256Hex } from '../../lib/digest.js';
import { removeTree } from '../../lib/rootfs/move-tree.js';
import { exportSnapshots } from '../../lib/snapshot/export.js';
import { withGenerationLock } from '../../lib/snapshot/image.js';
import { importSnapshots } from '../../lib/snapshot/import.js';
import { openStore } from '../../lib/snapshot/open-store.js';
import { restoreSnapshot } from '../../lib/snapshot/restore.js';
import type { Snapshot } from '../../lib/snapshot/snapshot.js';
import { blobPath } from '../../lib/store/blobs.js';
import { collectGarbage } from '../../lib/store/gc.js';
import { storePaths } from '../../lib/store/paths.js';
import { packageDir } from '../rbm/workspace.js';
import { checkReferences, filesBelow, skopeo } from '../store/oci-images.js';
import { startSmallBuild, type SmallBuild } from './small-build.js';

const hash = parseProjectHash(sha256Hex('imported'));

describe('an import', () => {
  let work: string;
  let build: SmallBuild;
  /** A store with two generations, the tree that the newest was made of, and exports of both, in parts of 70,000 bytes. */
  let origin: string;
  let saved: Snapshot;
  let tree: TreeDescription;
  let exported: string;
  let store: string;
  let dir: string;
  before(async () => {
    work = mkdtempSync(join(tmpdir(), 'rbm-resume-import-'));
    origin = join(work, 'store');
    exported = join(work, 'exported');
    build = await startSmallBuild(work);
    const first = await build.saveLeg(origin, { hash });
    saved = await build.saveLeg(origin, { hash, parent: first.digest, seconds: 2 });
    tree = expectRestored(await describeTree(build.container));
    await exportSnapshots(origin, exported, { maxPartSize: 70_000, allGenerations: true });
  });
  after(() => removeTree(work));
  beforeEach(() => {
    const own = mkdtempSync(join(work, 'case-'));
    [store, dir] = [join(own, 'store'), join(own, 'export')];
    cpSync(exported, dir, { recursive: true });
  });

  const generations = async () => (await openStore(store).list()).map(({ generation }) => generation);
  const dataOf = (root: string) => filesBelow(root).filter((line) => !line.startsWith('.rbm-resume/'));
  const baseDigest = () => saved.layers[0]!.descriptor.digest;

  it('brings snapshots that other tools read and that restore exactly', async () => {
    const { imported, skipped, displaced, absentBases } = await importSnapshots(store, dir);
    assert.deepEqual(imported.map(({ generation }) => generation).sort(), [1, 2]);
    assert.deepEqual([skipped, displaced, absentBases], [[], [], []]);
    // The blobs that no manifest lists as a layer are the listings.
    assert.equal(checkReferences(store).length, 3);
    const { Digest } = JSON.parse(skopeo('inspect', `oci:${store}:${hash}`)) as { Digest: string };
    assert.equal(Digest, saved.digest);
    skopeo('inspect', `oci:${store}:${hash}-1`);
    const restored = join(store, '..', 'restored');
    await restoreSnapshot(store, hash, { dir: restored });
    assertEqualTrees(await describeTree(restored), tree);
    assert.deepEqual((await collectGarbage(storePaths(store))).removed, []);
  });

  it('has every byte of the store that it came from', async () => {
    await importSnapshots(store, dir);
    execFileSync('diff', ['-r', join(origin, 'blobs'), join(store, 'blobs')]);
  });

  it('is no change the second time', async () => {
    await importSnapshots(store, dir);
    const index = statSync(join(store, 'index.json'), { bigint: true });
    const before_ = dataOf(store);
    const { imported, skipped, bytes } = await importSnapshots(store, dir);
    assert.deepEqual([imported, bytes], [[], 0]);
    assert.deepEqual(
      skipped.map(({ why }) => why),
      ['already-there', 'already-there'],
    );
    assert.deepEqual(dataOf(store), before_);
    assert.equal(statSync(join(store, 'index.json'), { bigint: true }).ino, index.ino);
  });

  it('does not need the directory of parts when there are none', async () => {
    rmSync(dir, { recursive: true });
    await exportSnapshots(join(work, 'nothing'), dir);
    rmSync(join(dir, 'parts'), { recursive: true });
    assert.deepEqual((await importSnapshots(store, dir)).imported, []);
  });

  it('brings a blob that the store has lost', async () => {
    await importSnapshots(store, dir);
    rmSync(blobPath(storePaths(store), baseDigest()));
    const { imported, bytes } = await importSnapshots(store, dir);
    assert.deepEqual([imported, bytes], [[], saved.layers[0]!.descriptor.size]);
    assert.equal(checkReferences(store).length, 3);
  });

  it('tells how far it is', async () => {
    const told: number[] = [];
    const { bytes } = await importSnapshots(store, dir, {
      onProgress: (progress) => told.push(progress.bytes / progress.totalBytes),
    });
    assert.deepEqual([told.at(-1), told.every((now, at) => now > (told[at - 1] ?? 0))], [1, true]);
    assert.ok(bytes > 300_000);
  });

  describe('without the base', () => {
    beforeEach(() => exportSnapshots(origin, dir, { withoutBase: true, names: [hash] }));

    it('restores with the very tarball, and says so with another', async () => {
      const { absentBases } = await importSnapshots(store, dir);
      assert.deepEqual(absentBases, [{ digest: baseDigest(), name: 'base.tar.zst' }]);
      const restored = join(store, '..', 'restored');
      const refused = (base: string | null) =>
        assert.rejects(restoreSnapshot(store, hash, { dir: restored, base }), { code: 'BASE_NEEDED' });
      await refused(null);
      const other = join(store, '..', 'other.tar.zst');
      writeFileSync(other, Buffer.concat([readFileSync(build.base), Buffer.alloc(1)]));
      await refused(other);
      await restoreSnapshot(store, hash, { dir: restored, base: build.base });
      assertEqualTrees(await describeTree(restored), tree);
    });

    it('uses the base that the store has, or that a later export brings', async () => {
      await importSnapshots(store, exported);
      rmSync(blobPath(storePaths(store), baseDigest()));
      assert.equal((await importSnapshots(store, dir)).absentBases.length, 1);
      await importSnapshots(store, exported);
      assert.deepEqual((await importSnapshots(store, dir)).absentBases, []);
    });
  });

  describe('into a store that has snapshots of the hash', () => {
    const leg = (options: { readonly seconds?: number } = {}) => build.saveLeg(store, { hash, ...options });

    it('skips what is older than the newest two', async () => {
      for (let number = 0; number < 4; number += 1) await leg();
      const { imported, skipped, bytes } = await importSnapshots(store, dir);
      assert.deepEqual([imported, bytes, await generations()], [[], 0, [3, 4]]);
      assert.deepEqual(
        skipped.map(({ why }) => why),
        ['older', 'older'],
      );
    });

    it('takes what has worked longer, and tells what it dropped', async () => {
      const here = [await leg({ seconds: 5 }), await leg({ seconds: 1 })];
      const { imported, skipped, displaced } = await importSnapshots(store, dir);
      assert.deepEqual(
        imported.map(({ digest }) => digest),
        [saved.digest],
      );
      assert.deepEqual(
        skipped.map(({ generation, why }) => [generation, why]),
        [[1, 'less-work']],
      );
      assert.deepEqual(
        displaced.map(({ digest, why }) => [digest, why]),
        [[here[1]?.digest, 'less-work']],
      );
      assert.equal((await openStore(store).open(hash)).digest, saved.digest);
      assert.equal((await openStore(store).open(`${hash}@1`)).digest, here[0]?.digest);
    });

    it('goes on counting', async () => {
      await importSnapshots(store, dir);
      assert.equal((await leg()).generation, 3);
      assert.deepEqual(await generations(), [2, 3]);
    });

    it('waits for who is about to give out a number', async () => {
      let importing: Promise<unknown> | undefined;
      await withGenerationLock(storePaths(store), hash, async () => {
        importing = importSnapshots(store, dir);
        await setTimeout(1_000);
        assert.deepEqual(await generations(), []);
      });
      await importing;
      assert.deepEqual(await generations(), [1, 2]);
    });

    it('loses none when others save and import meanwhile', async () => {
      await leg();
      await Promise.all([leg(), importSnapshots(store, dir), importSnapshots(store, exported)]);
      const found = await generations();
      assert.deepEqual([new Set(found).size, found.length], [2, 2]);
      for (const { generation } of await openStore(store).list())
        await openStore(store).open(`${hash}@${generation}`);
    });
  });

  it('leaves the store as it was when the disk is full', () => {
    const disk = join(store, '..', 'disk');
    mkdirSync(disk);
    const program = join(packageDir, 'test', 'snapshot', 'full-disk-program.ts');
    const node = [process.execPath, '--import', 'tsx', program, disk, exported];
    const lines = execFileSync('unshare', ['--user', '--map-root-user', '--mount', ...node], {
      cwd: packageDir,
    })
      .toString()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    const last = lines.pop();
    assert.deepEqual([last?.outcome, last?.snapshots], ['imported', 2]);
    assert.deepEqual(
      new Set(lines.map(({ outcome }) => outcome)),
      new Set(['NO_ROOM', 'STORE_WRITE_FAILED']),
    );
    for (const line of lines) assert.deepEqual([line.isUnchanged, line.snapshots], [true, 0]);
  });
});
