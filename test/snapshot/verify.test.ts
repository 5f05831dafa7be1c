import assert from 'node:assert/strict';
import {
  copyFileSync,
  cpSync,
  readdirSync,
  readFileSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { ANNOTATION } from '../../lib/snapshot/annotations.js';
import { verifyStore } from '../../lib/snapshot/verify.js';
import { digestOf, hexOf } from '../../lib/digest.js';
import type { Snapshot } from '../../lib/snapshot/snapshot.js';
import { rbmResume } from '../setup/init-workspace.js';
import { flipByte, makeSmall, root, type Small } from './small-snapshots.js';

describe('verifyStore', { timeout: 1_200_000 }, () => {
  let small: Small;
  let snapshot: Snapshot;
  let copies = 0;
  before(async () => {
    small = await makeSmall();
    await small.change('head -c 50000 /dev/urandom > random');
    await small.save();
    await small.change('echo more > more');
    snapshot = await small.save();
  });
  const copyStore = (): string => {
    const store = join(root, `copy-${(copies += 1)}`);
    cpSync(small.store, store, { recursive: true });
    return store;
  };
  const blobsOf = (store: string) => readdirSync(join(store, 'blobs', 'sha256'));

  it('finds nothing wrong with a sound store, and counts what nobody refers to', async () => {
    const store = copyStore();
    writeFileSync(join(store, 'blobs', 'sha256', '0'.repeat(64)), 'garbage');
    const { findings, snapshots, blobs, unreferenced, withoutBase } = await verifyStore(store);
    assert.deepEqual(findings, []);
    assert.deepEqual([snapshots, unreferenced, withoutBase], [2, 1, []]);
    assert.equal(blobs, blobsOf(store).length);
  });

  it('names each blob of which a byte has changed, and the command ends with 77', async () => {
    for (const name of blobsOf(small.store)) {
      const store = copyStore();
      flipByte(join(store, 'blobs', 'sha256', name));
      const { findings } = await verifyStore(store, { readData: true });
      assert.ok(
        findings.some(
          ({ blob, snapshot: of, code }) =>
            blob === `sha256:${name}` && of !== null && code === 'DAMAGED_BLOB',
        ),
        `${name}: ${JSON.stringify(findings)}`,
      );
      assert.ok(findings.every(({ blob }) => blob === `sha256:${name}`));
      const ended = await rbmResume(['--store', store, 'verify', '--read-data'], { cwd: root });
      assert.equal(ended.status, 77);
      assert.match(ended.stdout, new RegExp(`sha256:${name}.*DAMAGED_BLOB`));
    }
  });

  it('names each blob that is cut off, or is missing, without reading data; a base may be missing', async () => {
    const base = snapshot.layers[0]?.descriptor.digest;
    for (const name of blobsOf(small.store)) {
      const store = copyStore();
      const file = join(store, 'blobs', 'sha256', name);
      copyFileSync(file, `${file}.copy`);
      unlinkSync(file);
      const missing = await verifyStore(store);
      if (`sha256:${name}` === base) {
        assert.deepEqual(missing.findings, []);
        assert.equal(missing.withoutBase.length, 2);
      } else
        assert.ok(
          missing.findings.some(({ blob, code }) => blob === `sha256:${name}` && code === 'MISSING_BLOB'),
          name,
        );
      copyFileSync(`${file}.copy`, file);
      truncateSync(file, 10);
      const { findings } = await verifyStore(store);
      assert.ok(
        findings.some(({ blob, code }) => blob === `sha256:${name}` && code === 'DAMAGED_BLOB'),
        name,
      );
    }
  });

  it('finds a listing that is whole but not that of its layer, only when it reads the data', async () => {
    const store = copyStore();
    const { manifest } = snapshot.image;
    const [base, first, second] = manifest.layers;
    assert.ok(base && first && second);
    const forged = {
      ...manifest,
      layers: [base, { ...first, annotations: { ...second.annotations } }, second],
    };
    const text = JSON.stringify(forged);
    const { annotations } = second;
    const size = snapshot.layers[1]?.diffSize;
    const fitting = text.replace(
      JSON.stringify(annotations),
      JSON.stringify({ ...annotations, [ANNOTATION.diffSize]: String(size) }),
    );
    const digest = digestOf(fitting);
    writeFileSync(join(store, 'blobs', 'sha256', hexOf(digest)), fitting);
    const index = readFileSync(join(store, 'index.json'), 'utf8');
    const { manifests, ...rest } = JSON.parse(index) as { manifests: { digest: string; size: number }[] };
    const edited = manifests.map((one) =>
      one.digest === snapshot.digest ? { ...one, digest, size: Buffer.byteLength(fitting) } : one,
    );
    writeFileSync(join(store, 'index.json'), JSON.stringify({ ...rest, manifests: edited }));
    assert.deepEqual((await verifyStore(store)).findings, []);
    const { findings } = await verifyStore(store, { readData: true });
    assert.deepEqual(
      findings.map(({ code, blob, snapshot: of }) => [code, blob, of?.slice(-2)]),
      [['BAD_LAYER', snapshot.layers[2]?.listing?.digest, '@2']],
    );
  });

  it('goes on after the first defect, and tells of an index that cannot be read', async () => {
    const store = copyStore();
    for (const { descriptor } of snapshot.layers.slice(1))
      flipByte(join(store, 'blobs', 'sha256', hexOf(descriptor.digest)));
    const both = await verifyStore(store, { readData: true });
    assert.equal(new Set(both.findings.map(({ blob }) => blob)).size, 2);
    writeFileSync(join(store, 'index.json'), '{');
    const { findings, unreferenced } = await verifyStore(store);
    assert.deepEqual([findings.map(({ code }) => code), unreferenced], [['BAD_INDEX'], null]);
  });
});
