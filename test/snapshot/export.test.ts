import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { hexOf, parseProjectHash, sha256Hex } from '../../lib/digest.js';
import { removeTree } from '../../lib/rootfs/move-tree.js';
import { exportSnapshots } from '../../lib/snapshot/export.js';
import { partFileName, partSizes } from '../../lib/snapshot/export-format.js';
import { listSnapshots } from '../../lib/snapshot/open-store.js';
import { removeEntries } from '../../lib/snapshot/drop.js';
import type { Snapshot } from '../../lib/snapshot/snapshot.js';
import { blobPath } from '../../lib/store/blobs.js';
import { storePaths } from '../../lib/store/paths.js';
import { editExportManifest, partsOf, readExportManifest, startSmallBuild } from './small-build.js';

const [one, other] = ['one', 'other'].map((text) => parseProjectHash(sha256Hex(text)));

describe('an export', () => {
  let work: string;
  let pristine: string;
  let store: string;
  let dir: string;
  let newest: Snapshot;
  let older: Snapshot;
  before(async () => {
    work = mkdtempSync(join(tmpdir(), 'rbm-resume-export-'));
    pristine = join(work, 'pristine');
    assert.ok(one !== undefined && other !== undefined);
    const build = await startSmallBuild(work);
    older = await build.saveLeg(pristine, { hash: one });
    newest = await build.saveLeg(pristine, { hash: one, parent: older.digest });
    await build.saveLeg(pristine, { hash: other });
  });
  after(() => removeTree(work));
  beforeEach(() => {
    const own = mkdtempSync(join(work, 'case-'));
    [store, dir] = [join(own, 'store'), join(own, 'export')];
    cpSync(pristine, store, { recursive: true });
  });

  const baseOf = ({ layers }: Snapshot) => layers[0]!.descriptor;

  it('has files of limited size that are, put together by hand, what their names say', async () => {
    const result = await exportSnapshots(store, dir, { maxPartSize: 70_000 });
    assert.deepEqual(readdirSync(dir).sort(), ['manifest.json', 'parts']);
    const parts = partsOf(dir);
    assert.ok(parts.every((name) => /^[0-9a-f]{64}\.\d{3}$/.test(name)));
    assert.ok(parts.every((name) => statSync(join(dir, 'parts', name)).size <= 70_000));
    assert.ok(parts.includes(`${hexOf(baseOf(newest).digest)}.004`));
    const blobs = [...new Set(parts.map((name) => name.slice(0, 64)))];
    for (const hex of blobs) {
      const sum = execFileSync('sh', ['-c', `cat parts/${hex}.* | sha256sum`], { cwd: dir }).toString();
      assert.equal(sum.slice(0, 64), hex);
    }
    assert.deepEqual([result.blobs, result.parts], [blobs.length, parts.length]);
    for (const part of readExportManifest(dir).blobs.flatMap((blob) => blob.parts)) {
      const sum = execFileSync('sha256sum', [join(dir, 'parts', part.file)]).toString();
      assert.equal(sum.slice(0, 64), part.sha256);
    }
  });

  it('names more than a thousand parts so that the shell sorts them', () => {
    const { digest } = baseOf(newest);
    const names = partSizes(3_001, 3).map((_, number, { length: count }) =>
      partFileName(digest, { number, count }),
    );
    assert.equal(names.length, 1_001);
    assert.deepEqual(names, [...names].sort());
  });

  it('has the newest snapshot of every hash, with its listings, and what they share once', async () => {
    const { snapshots, bytes } = await exportSnapshots(store, dir);
    assert.deepEqual(
      snapshots.map(({ hash, generation }) => [hash, generation]).sort(),
      [
        [one, 2],
        [other, 1],
      ].sort(),
    );
    const { blobs } = readExportManifest(dir);
    const names = blobs.map(({ digest }) => digest);
    assert.equal(new Set(names).size, names.length);
    for (const { descriptor, listing } of newest.layers) {
      assert.ok(names.includes(descriptor.digest));
      assert.ok(listing !== null && names.includes(listing.digest));
    }
    assert.ok(!names.includes(older.digest));
    assert.equal(
      bytes,
      blobs.reduce((sum, { size }) => sum + size, 0),
    );
  });

  it('has those that are named, or all generations', async () => {
    const exported = async (options: object) =>
      (await exportSnapshots(store, dir, options)).snapshots
        .map(({ hash, generation }) => `${hash.slice(0, 6)}@${generation}`)
        .sort();
    const [a, b] = [one?.slice(0, 6), other?.slice(0, 6)];
    assert.deepEqual(await exported({ names: [a] }), [`${a}@2`]);
    assert.deepEqual(await exported({ names: [`${a}@1`] }), [`${a}@1`]);
    assert.deepEqual(await exported({ names: [a, one] }), [`${a}@2`]);
    assert.deepEqual(await exported({ allGenerations: true }), [`${a}@1`, `${a}@2`, `${b}@1`].sort());
    assert.deepEqual(await exported({ allGenerations: true, names: [a] }), [`${a}@1`, `${a}@2`]);
    await assert.rejects(exportSnapshots(store, dir, { names: ['ff00ff'] }), { code: 'NO_SUCH_SNAPSHOT' });
  });

  it('leaves the bases out, and names them', async () => {
    const { digest } = baseOf(newest);
    const { absent, bytes } = await exportSnapshots(store, dir, { withoutBase: true });
    assert.deepEqual(absent, [digest]);
    assert.deepEqual(readExportManifest(dir).absent, [digest]);
    assert.ok(bytes < 300_000);
    assert.ok(!partsOf(dir).some((name) => name.startsWith(hexOf(digest))));
  });

  it('names a base that the store does not have either', async () => {
    const { digest } = baseOf(newest);
    rmSync(blobPath(storePaths(store), digest));
    assert.deepEqual((await exportSnapshots(store, dir)).absent, [digest]);
  });

  it('tells how far it is', async () => {
    const told: number[] = [];
    const totals = new Set<number>();
    const { bytes } = await exportSnapshots(store, dir, {
      onProgress: (progress) => {
        totals.add(progress.totalBytes);
        told.push(progress.bytes);
      },
    });
    assert.deepEqual([...totals], [bytes]);
    assert.deepEqual(
      told,
      [...told].sort((x, y) => x - y),
    );
    assert.equal(told.at(-1), bytes);
  });

  it('is empty when there are no snapshots, and nothing of an older one stays', async () => {
    await exportSnapshots(store, dir);
    const digests = (await listSnapshots(storePaths(store))).map(({ digest }) => digest);
    await removeEntries(storePaths(store), new Set(digests));
    assert.deepEqual((await exportSnapshots(store, dir)).snapshots, []);
    assert.deepEqual(readExportManifest(dir).blobs, []);
    assert.deepEqual(partsOf(dir), []);
  });

  for (const [what, break_] of [
    ['a flipped byte', (file: string) => flipByte(file)],
    ['a missing end', (file: string) => truncateSync(file, 100)],
    ['a missing blob', (file: string) => rmSync(file)],
  ] as const) {
    it(`is none when the store is damaged: ${what}`, async () => {
      const { digest } = newest.layers[1]!.descriptor;
      break_(blobPath(storePaths(store), digest));
      await assert.rejects(exportSnapshots(store, dir), { code: /^(DAMAGED|MISSING)_BLOB$/ });
      assert.deepEqual(existsSync(dir) ? readdirSync(dir) : [], []);
    });
  }

  it('replaces an earlier one, whole or half', async () => {
    await exportSnapshots(store, dir, { maxPartSize: 50_000 });
    await exportSnapshots(store, dir, { names: [`${one}@1`] });
    assert.equal(readExportManifest(dir).snapshots.length, 1);
    assert.equal(partsOf(dir).length, readExportManifest(dir).blobs.length);
    rmSync(join(dir, 'manifest.json'));
    writeFileSync(join(dir, 'manifest.json.0123456789ab.tmp'), '');
    await exportSnapshots(store, dir);
    assert.deepEqual(readdirSync(dir).sort(), ['manifest.json', 'parts']);
  });

  it('removes the old manifest before anything else, so half a replacement is no export', async () => {
    await exportSnapshots(store, dir);
    const seen = new Set<boolean>();
    const onProgress = () => void seen.add(existsSync(join(dir, 'manifest.json')));
    await exportSnapshots(store, dir, { onProgress });
    assert.deepEqual([...seen], [false]);
  });

  it('touches nothing that is not an export', async () => {
    const foreign: [string, () => void][] = [
      ['another file', () => writeFileSync(join(dir, 'precious'), '')],
      ['another manifest', () => writeFileSync(join(dir, 'manifest.json'), '{"name":"app"}')],
      ['another file among the parts', () => writeFileSync(join(dir, 'parts', 'precious'), '')],
      ['an export of an unknown format', () => editExportManifest(dir, (it) => void (it.format = 2))],
    ];
    for (const [what, spoil] of foreign) {
      rmSync(dir, { recursive: true, force: true });
      await exportSnapshots(store, dir);
      spoil();
      const names = readdirSync(dir, { recursive: true });
      await assert.rejects(exportSnapshots(store, dir), { code: 'DIRECTORY_NOT_EMPTY' }, what);
      assert.deepEqual(readdirSync(dir, { recursive: true }), names, what);
    }
    const file = join(work, 'file');
    writeFileSync(file, 'precious');
    await assert.rejects(exportSnapshots(store, file), { code: 'DIRECTORY_NOT_EMPTY' });
    await assert.rejects(exportSnapshots(store, store), { code: 'DIRECTORY_NOT_EMPTY' });
    assert.equal(readFileSync(file, 'utf8'), 'precious');
  });

  it('is written by one at a time', async () => {
    mkdirSync(dir);
    let inner: Promise<void> | undefined;
    await exportSnapshots(store, dir, {
      onProgress: () => {
        inner ??= assert.rejects(exportSnapshots(store, dir), { code: 'STORE_BUSY' });
      },
    });
    await inner;
  });

  it('refuses a size that makes more parts than a manifest can name', async () => {
    for (const maxPartSize of [0, -1, 1.5, NaN, 1, 10])
      await assert.rejects(exportSnapshots(store, dir, { maxPartSize }), { code: 'USAGE' });
    assert.ok(!existsSync(dir));
  });
});

function flipByte(file: string): void {
  const data = readFileSync(file);
  data[50]! ^= 1;
  writeFileSync(file, data);
}
