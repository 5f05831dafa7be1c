import assert from 'node:assert/strict';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, beforeEach, describe, it } from 'node:test';
import { digestOf, hexOf } from '../../lib/digest.js';
import { ANNOTATION } from '../../lib/snapshot/annotations.js';
import { dropSnapshots } from '../../lib/snapshot/drop.js';
import { MAX_GENERATION } from '../../lib/snapshot/index-entries.js';
import { judgeIndex, openStore } from '../../lib/snapshot/open-store.js';
import { saveSnapshot } from '../../lib/snapshot/save.js';
import type { Snapshot } from '../../lib/snapshot/snapshot.js';
import { verifyStore } from '../../lib/snapshot/verify.js';
import { REF_NAME, type Descriptor } from '../../lib/store/oci.js';
import { storePaths } from '../../lib/store/paths.js';
import { HASH, makeSmall, OTHER_HASH, recordOf, root, type Small } from './small-snapshots.js';

interface Index {
  manifests: (Descriptor & { annotations: Record<string, string> })[];
}

describe('an entry of the index', { timeout: 600_000 }, () => {
  let small: Small;
  let first: Snapshot;
  let store = '';
  let copies = 0;
  before(async () => {
    small = await makeSmall();
    first = await small.save();
  });
  beforeEach(() => {
    store = join(root, `index-${(copies += 1)}`);
    cpSync(small.store, store, { recursive: true });
  });
  const readIndex = () => JSON.parse(readFileSync(join(store, 'index.json'), 'utf8')) as Index;
  const edit = (change: (index: Index) => void): void => {
    const index = readIndex();
    change(index);
    writeFileSync(join(store, 'index.json'), JSON.stringify(index));
  };
  const annotate = (key: string, value: string | undefined) =>
    edit(({ manifests: [entry] }) => {
      assert.ok(entry);
      if (value === undefined) Reflect.deleteProperty(entry.annotations, key);
      else entry.annotations[key] = value;
    });
  const namesIn = async () => (await openStore(store).list()).map((one) => `${one.hash}@${one.generation}`);
  const save = async (): Promise<string> => {
    const { rootfs } = small;
    const saved = await saveSnapshot(store, { rootfs, base: null, baseline: null, record: recordOf(HASH) });
    return `${saved.snapshot.hash}@${saved.snapshot.generation}`;
  };

  const LIES: readonly [string, string][] = [
    [ANNOTATION.generation, '2'],
    [ANNOTATION.generation, String(MAX_GENERATION)],
    [ANNOTATION.generation, '999999999'],
    [ANNOTATION.generation, '0'],
    [ANNOTATION.hash, OTHER_HASH],
    [ANNOTATION.project, 'another'],
    ['org.opencontainers.image.created', '2036-01-01T00:00:00.000Z'],
  ];
  for (const [key, value] of LIES)
    it(`that says otherwise than its manifest (${key} ${value.slice(0, 10)}) is named, not used, and stops nothing`, async () => {
      annotate(key, value);
      const [lying] = readIndex().manifests;
      assert.deepEqual(await namesIn(), []);
      const { findings } = await verifyStore(store);
      assert.deepEqual(
        findings.map(({ code, blob }) => [code, blob]),
        [['BAD_INDEX', first.digest]],
      );
      assert.ok(findings[0]?.message.includes(key), findings[0]?.message);
      assert.deepEqual([await save(), await save()], [`${HASH}@1`, `${HASH}@2`]);
      assert.deepEqual(await namesIn(), [`${HASH}@1`, `${HASH}@2`]);
      assert.deepEqual(readIndex().manifests.at(-1), lying);
      // What claims to be of another hash is not looked at for this one; a repair finds it.
      const isElsewhere = key === ANNOTATION.hash;
      assert.equal(await dropSnapshots(storePaths(store), HASH), isElsewhere ? 2 : 3);
      assert.deepEqual(readIndex().manifests, isElsewhere ? [lying] : []);
    });

  it('is shown without its line breaks, and not to its end when that is far', async () => {
    for (const [text, shown] of [
      ['1\nrbm-resume: all is well', '1\\012rbm-resume: all is well'],
      ['x'.repeat(5000), 'x'.repeat(100)],
    ] as const) {
      annotate(ANNOTATION.generation, text);
      const [judged] = await judgeIndex(storePaths(store), HASH);
      assert.equal(judged?.kind, 'contradictory');
      assert.ok(judged.name.startsWith(`${HASH}@${shown}`), judged.name);
      assert.doesNotMatch(`${judged.name}${judged.why}`, /\n|x{400}/);
    }
  });

  it('is named by verify when it is spelt as nobody writes it, and used as its manifest says', async () => {
    const misspellings: [RegExp, (entry: Index['manifests'][number]) => void][] = [
      [
        /org.rbm-resume.generatioo/,
        ({ annotations }) => (annotations[`${ANNOTATION.hash.slice(0, 15)}generatioo`] = '1'),
      ],
      [
        /has no org.rbm-resume.hash/,
        ({ annotations }) => Reflect.deleteProperty(annotations, ANNOTATION.hash),
      ],
      [/instead of/, ({ annotations }) => (annotations[REF_NAME] = `${HASH}-1`)],
      [
        /"plauform"/,
        (entry) =>
          Reflect.set(entry, 'plauform', entry.platform) && Reflect.deleteProperty(entry, 'platform'),
      ],
      [/linux\/amd65/, (entry) => (entry.platform = { os: 'linux', architecture: 'amd65' })],
    ];
    for (const [expected, misspell] of misspellings) {
      const before = readFileSync(join(store, 'index.json'));
      edit(({ manifests: [entry] }) => void misspell(entry!));
      const { findings } = await verifyStore(store);
      assert.ok(
        findings.some(({ code, message }) => code === 'BAD_INDEX' && expected.test(message)),
        `${expected}: ${JSON.stringify(findings)}`,
      );
      assert.deepEqual(await namesIn(), [`${HASH}@1`]);
      writeFileSync(join(store, 'index.json'), before);
    }
    edit((index) => {
      Reflect.set(index, 'x-top', 1);
      index.manifests[0]!.annotations.note = 'of somebody else';
    });
    assert.deepEqual((await verifyStore(store)).findings, []);
  });

  it('of the highest number that there is does not keep the next snapshot from its place', async () => {
    // Entry, manifest and all agree, as somebody could make them.
    const text = JSON.stringify(first.image.manifest).replace(
      `"${ANNOTATION.generation}":"1"`,
      `"${ANNOTATION.generation}":"${MAX_GENERATION}"`,
    );
    const digest = digestOf(text);
    writeFileSync(join(store, 'blobs', 'sha256', hexOf(digest)), text);
    edit(({ manifests: [entry] }) => {
      Object.assign(entry!, { digest, size: Buffer.byteLength(text) });
      entry!.annotations[ANNOTATION.generation] = String(MAX_GENERATION);
    });
    assert.deepEqual((await verifyStore(store)).findings, []);
    const ours = `${HASH}@${MAX_GENERATION}`;
    for (let time = 0; time < 3; time += 1) {
      assert.equal(await save(), ours);
      assert.deepEqual(await namesIn(), [ours]);
      assert.notEqual((await openStore(store).list())[0]?.digest, digest);
    }
  });
});
