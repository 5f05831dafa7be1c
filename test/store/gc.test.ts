import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { digestOf, parseProjectHash, type Digest } from '../../lib/digest.js';
import { blobPath } from '../../lib/store/blobs.js';
import { collectGarbage } from '../../lib/store/gc.js';
import { updateIndex } from '../../lib/store/image-index.js';
import { withHashLock } from '../../lib/store/lock.js';
import { MEDIA_TYPE, type Descriptor } from '../../lib/store/oci.js';
import { storePaths, type StorePaths } from '../../lib/store/paths.js';
import { withStaging } from '../../lib/store/staging.js';
import { checkReferences, filesBelow, namesInIndex, saveImage } from './oci-images.js';

let root: string;
before(() => {
  root = mkdtempSync(join(tmpdir(), 'rbm-resume-gc-'));
});
after(() => rmSync(root, { recursive: true }));

const blobsIn = (paths: StorePaths): Digest[] =>
  readdirSync(paths.blobs).map((name) => `sha256:${name}` as Digest);

/** Writes a blob as another tool would. */
function putByHand(paths: StorePaths, value: unknown): { readonly digest: Digest; readonly size: number } {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  mkdirSync(paths.blobs, { recursive: true });
  writeFileSync(blobPath(paths, digestOf(text)), text);
  return { digest: digestOf(text), size: text.length };
}

describe('a collection', () => {
  it('removes what no entry leads to any more, and says what', async () => {
    const paths = storePaths(join(root, 'plain'));
    const kept = await saveImage(paths, 'kept');
    const dropped = await saveImage(paths, 'dropped', { bytes: 5000 });
    assert.deepEqual((await collectGarbage(paths)).removed, []);
    await updateIndex(paths, (all) => all.filter(({ digest }) => digest !== dropped.entry.digest));
    const result = await collectGarbage(paths);
    assert.deepEqual([...result.removed].sort(), dropped.blobs.map(({ digest }) => digest).sort());
    assert.equal(
      result.bytes,
      dropped.blobs.reduce((sum, { size }) => sum + size, 0),
    );
    assert.deepEqual(blobsIn(paths).sort(), kept.blobs.map(({ digest }) => digest).sort());
  });

  it('of a store that is not there does nothing', async () => {
    assert.deepEqual(await collectGarbage(storePaths(join(root, 'absent'))), {
      removed: [],
      bytes: 0,
      stagingFolders: 0,
    });
  });

  it('keeps what indexes, subjects, annotations of ours and documents that nobody knows lead to', async () => {
    const paths = storePaths(join(root, 'reachable'));
    const leaf = (name: string) => ({ mediaType: 'application/x', ...putByHand(paths, name) });
    const manifest = (name: string, more: Record<string, unknown> = {}): Descriptor => ({
      mediaType: MEDIA_TYPE.manifest,
      ...putByHand(paths, {
        schemaVersion: 2,
        config: leaf(`config ${name}`),
        ...more,
        layers: more.layers ?? [leaf(`layer ${name}`), leaf(`upper layer ${name}`)],
      }),
    });
    const own = (name: string) => ({ 'org.rbm-resume.listing': putByHand(paths, name).digest });
    const subject = manifest('subject');
    const absent = { mediaType: MEDIA_TYPE.manifest, digest: digestOf('absent'), size: 6 };
    const nested = {
      mediaType: MEDIA_TYPE.index,
      ...putByHand(paths, {
        schemaVersion: 2,
        manifests: [manifest('nested', { subject: absent })],
        annotations: own('of the nested index'),
      }),
    };
    const outer = {
      mediaType: MEDIA_TYPE.index,
      ...putByHand(paths, { schemaVersion: 2, manifests: [nested] }),
    };
    const docker = {
      ...manifest('docker'),
      mediaType: 'application/vnd.docker.distribution.manifest.v2+json',
    };
    const unknown = {
      mediaType: 'application/vnd.example+json',
      ...putByHand(paths, { deep: [{ ref: leaf('of the unknown').digest }] }),
    };
    // First met as the leaf of an annotation, then as a manifest: it must still be opened.
    const twice = manifest('twice');
    const entries: Descriptor[] = [
      {
        ...manifest('plain', { annotations: own('of the manifest'), subject }),
        annotations: own('of the entry'),
      },
      twice,
      { ...outer, annotations: { 'org.rbm-resume.base': twice.digest } },
      docker,
      unknown,
      manifest('with annotated layer', {
        layers: [{ ...leaf('annotated'), annotations: own('of the layer') }],
      }),
    ];
    writeFileSync(paths.index, JSON.stringify({ schemaVersion: 2, manifests: entries }));
    const needed = blobsIn(paths).sort();
    const other = putByHand(paths, 'nobody’s');
    const foreignKey = putByHand(paths, 'only another key names it');
    await updateIndex(paths, (all) => [
      { ...all[0]!, annotations: { ...all[0]!.annotations, 'com.example.x': foreignKey.digest } },
      ...all.slice(1),
    ]);
    const { removed } = await collectGarbage(paths);
    assert.deepEqual([...removed].sort(), [other.digest, foreignKey.digest].sort());
    assert.deepEqual(blobsIn(paths).sort(), needed);
  });

  it('removes nothing when the index or a manifest can’t be read', async () => {
    const faults: Record<string, (paths: StorePaths, manifest: string) => void> = {
      MISSING_BLOB: (_, manifest) => rmSync(manifest),
      DAMAGED_BLOB: (_, manifest) => truncateSync(manifest, 10),
      BAD_INDEX: (paths) => writeFileSync(paths.index, '{}'),
    };
    for (const [code, damage] of Object.entries(faults)) {
      const paths = storePaths(join(root, code));
      const { entry } = await saveImage(paths, 'damaged');
      await saveImage(paths, 'good');
      putByHand(paths, 'garbage');
      mkdirSync(join(paths.stagingRoot, 'stale'));
      damage(paths, blobPath(paths, entry.digest));
      const before = filesBelow(paths.root);
      await assert.rejects(collectGarbage(paths), { code });
      assert.deepEqual(filesBelow(paths.root), before);
    }
    const lost = storePaths(join(root, 'lost'));
    await saveImage(lost, 'good');
    rmSync(lost.index);
    await assert.rejects(collectGarbage(lost), { code: 'BAD_INDEX' });
    assert.equal(blobsIn(lost).length, 3);
  });

  it('leaves alone what is not named like a blob', async () => {
    const paths = storePaths(join(root, 'names'));
    await saveImage(paths, 'kept');
    const names = ['notes.txt', `${'a'.repeat(64)}.tmp`, 'A'.repeat(64)];
    names.forEach((name) => writeFileSync(join(paths.blobs, name), ''));
    await collectGarbage(paths);
    names.forEach((name) => assert.ok(existsSync(join(paths.blobs, name))));
  });

  it('removes the staging folders and temporary files of killed writers, not those of living ones', async () => {
    const paths = storePaths(join(root, 'stale'));
    await saveImage(paths, 'kept');
    // A folder of a process that is killed, one whose lock was never made, and an index that was never renamed.
    const held = spawn('flock', [join(paths.stagingRoot, 'killed', 'in-use'), 'sleep', '60'], {
      detached: true,
      stdio: 'ignore',
    });
    mkdirSync(join(paths.stagingRoot, 'killed', 'deep'), { recursive: true });
    mkdirSync(join(paths.stagingRoot, 'without-lock'));
    writeFileSync(join(paths.stagingRoot, 'killed', 'deep', 'layer'), 'half');
    writeFileSync(join(paths.root, 'index.json.0123456789ab.tmp'), '{');
    writeFileSync(join(paths.root, 'index.json.mine.tmp'), '{');
    process.kill(-Number(held.pid), 'SIGKILL');
    await once(held, 'close');
    await withStaging(paths, async ({ dir, put }) => {
      const staged = await put('on its way');
      assert.equal((await collectGarbage(paths)).stagingFolders, 2);
      assert.deepEqual(readdirSync(paths.stagingRoot), [dir.slice(paths.stagingRoot.length + 1)]);
      assert.ok(existsSync(staged.file));
    });
    assert.deepEqual(readdirSync(paths.root).sort(), [
      '.rbm-resume',
      'blobs',
      'index.json',
      'index.json.mine.tmp',
      'oci-layout',
    ]);
    assert.deepEqual([namesInIndex(paths.root), checkReferences(paths.root)], [['kept'], []]);
  });

  it('removes unfinished files beside what is parked, unless somebody has the lock of that hash', async () => {
    const paths = storePaths(join(root, 'beside'));
    const hash = parseProjectHash('ab'.repeat(32));
    const { dir } = paths.parked(hash);
    for (const folder of [dir, paths.quarantineRoot]) mkdirSync(folder, { recursive: true });
    const kept = ['baseline', 'record.json'];
    const stale = ['baseline.new', 'record.json.0123456789ab.tmp'];
    for (const name of [...kept, ...stale]) writeFileSync(join(dir, name), '');
    writeFileSync(join(paths.quarantineRoot, `${hash}@1.json.0123456789ab.tmp`), '');
    writeFileSync(join(paths.state, 'ledger.json.0123456789ab.tmp'), '');
    await withHashLock(paths, hash, async () => {
      await collectGarbage(paths);
      assert.deepEqual(readdirSync(dir).sort(), [...kept, ...stale].sort());
    });
    await collectGarbage(paths);
    assert.deepEqual(readdirSync(dir).sort(), kept);
    assert.deepEqual(filesBelow(paths.quarantineRoot), []);
    assert.ok(!existsSync(join(paths.state, 'ledger.json.0123456789ab.tmp')));
  });
});
