import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, beforeEach, describe, it } from 'node:test';
import { hexOf } from '../../lib/digest.js';
import { ANNOTATION } from '../../lib/snapshot/annotations.js';
import { quarantine } from '../../lib/snapshot/drop.js';
import { openStore } from '../../lib/snapshot/open-store.js';
import { repairStore } from '../../lib/snapshot/repair.js';
import type { Snapshot } from '../../lib/snapshot/snapshot.js';
import { verifyStore } from '../../lib/snapshot/verify.js';
import { REF_NAME, type Descriptor } from '../../lib/store/oci.js';
import { storePaths } from '../../lib/store/paths.js';
import { rbmResume } from '../setup/init-workspace.js';
import { saveImage, skopeo } from '../store/oci-images.js';
import { makeSigner } from '../trust/signers.js';
import { flipByte, HASH, makeSmall, OTHER_HASH, recordOf, root, type Small } from './small-snapshots.js';

interface Index {
  manifests: (Descriptor & { annotations: Record<string, string> })[];
}

describe('repairStore', { timeout: 600_000 }, () => {
  let small: Small;
  let saved: Snapshot[];
  let store = '';
  let copies = 0;
  before(async () => {
    small = await makeSmall();
    await saveImage(storePaths(small.store), 'foreign');
    saved = [await small.save()];
    await small.change('echo more > more');
    saved.push(await small.save());
    await small.change('echo yet more > more');
    const signing = { key: makeSigner('ci').key, jobClass: 'branch' } as const;
    saved.push(await small.save(), await small.save({ record: recordOf(OTHER_HASH), signing }));
    // The oldest has left the index, and its blobs are still there.
    assert.equal((await verifyStore(small.store)).snapshots, 3);
  });
  beforeEach(() => {
    store = join(root, `repair-${(copies += 1)}`);
    cpSync(small.store, store, { recursive: true });
  });
  const file = (name: string) => join(store, name);
  const entriesOf = (dir: string) =>
    (JSON.parse(readFileSync(join(dir, 'index.json'), 'utf8')) as Index).manifests.sort((a, b) =>
      a.digest < b.digest ? -1 : 1,
    );
  const edit = (change: (index: Index) => void): void => {
    const index = JSON.parse(readFileSync(file('index.json'), 'utf8')) as Index;
    change(index);
    writeFileSync(file('index.json'), JSON.stringify(index));
  };
  const text = () => readFileSync(file('index.json'), 'utf8');
  const copiesBeside = () => readdirSync(store).filter((name) => name.includes('.damaged-'));

  it('leaves a sound store alone', async () => {
    const before = readFileSync(file('index.json'));
    const result = await repairStore(store);
    assert.deepEqual(result, { flaws: [], savedAs: [], added: [], quarantined: [] });
    assert.deepEqual(readFileSync(file('index.json')), before);
    assert.deepEqual(copiesBeside(), []);
  });

  const DAMAGES: readonly [string, () => void, { readonly losesForeign?: true }?][] = [
    ['is missing', () => rmSync(file('index.json')), { losesForeign: true }],
    ['is empty', () => truncateSync(file('index.json')), { losesForeign: true }],
    ['is cut off in its last entry', () => truncateSync(file('index.json'), text().length - 40)],
    ['has garbage at its end', () => writeFileSync(file('index.json'), `${text()}}`)],
    [
      'has a bad digest in one entry',
      () => writeFileSync(file('index.json'), text().replace(hexOf(saved[2]!.digest), 'x')),
    ],
    [
      'has another digest in one entry',
      () => writeFileSync(file('index.json'), text().replace(hexOf(saved[2]!.digest), 'e'.repeat(64))),
    ],
    ['has lost a quote', () => writeFileSync(file('index.json'), text().replace(`"${HASH}"`, `"${HASH}`))],
    [
      'says another generation',
      () => edit(({ manifests }) => (manifests[2]!.annotations[ANNOTATION.generation] = '9')),
    ],
    [
      'says another hash',
      () => edit(({ manifests }) => (manifests[1]!.annotations[ANNOTATION.hash] = OTHER_HASH)),
    ],
    ['has another type for one entry', () => edit(({ manifests }) => (manifests[1]!.mediaType += 'x'))],
    [
      'has no annotations',
      () =>
        edit(({ manifests }) =>
          manifests.slice(1).forEach((one) => Reflect.deleteProperty(one.annotations, ANNOTATION.hash)),
        ),
    ],
    ['has another layout', () => writeFileSync(file('oci-layout'), '{"imageLayoutVersion":"7"}')],
    ['has no layout', () => rmSync(file('oci-layout'))],
  ];
  for (const [what, damage, { losesForeign = false } = {}] of DAMAGES)
    it(`makes the index as it was where it ${what}`, async () => {
      damage();
      const damaged = existsSync(file('index.json')) ? text() : null;
      assert.notDeepEqual((await verifyStore(store)).findings, []);
      const { flaws, savedAs, quarantined } = await repairStore(store);
      assert.deepEqual(quarantined, []);
      assert.ok(flaws.length > 0);
      const expected = entriesOf(small.store).filter(
        ({ annotations }) => !losesForeign || annotations[REF_NAME] !== 'foreign',
      );
      assert.deepEqual(entriesOf(store), expected);
      if (damaged !== null) assert.ok(savedAs.some((copy) => readFileSync(copy, 'utf8') === damaged));
      assert.deepEqual((await verifyStore(store, { readData: true })).findings, []);
      assert.equal((await repairStore(store)).flaws.length, 0);
      skopeo('inspect', `oci:${store}:${HASH}`);
    });

  it('names the attestation again that an entry has lost, or of which it has another digest', async () => {
    const { attestation } = saved[3]!;
    assert.ok(attestation !== null);
    for (const wrong of [undefined, `sha256:${'0'.repeat(64)}`, saved[3]!.digest]) {
      edit(({ manifests }) => {
        const { annotations } = manifests.find(({ digest }) => digest === saved[3]!.digest)!;
        if (wrong === undefined) Reflect.deleteProperty(annotations, ANNOTATION.attestation);
        else annotations[ANNOTATION.attestation] = wrong;
      });
      assert.notDeepEqual((await verifyStore(store)).findings, [], String(wrong));
      await repairStore(store);
      assert.deepEqual(entriesOf(store), entriesOf(small.store), String(wrong));
    }
  });

  it('takes out what is damaged, keeps its blobs, and goes back to the generation before', async () => {
    const newest = saved[2]!;
    flipByte(file(`blobs/sha256/${hexOf(newest.image.manifest.config.digest)}`));
    const blobs = readdirSync(file('blobs/sha256'));
    writeFileSync(file('index.json'), text().slice(0, -30));
    const { quarantined } = await repairStore(store);
    assert.deepEqual(
      quarantined.map(({ snapshot }) => snapshot),
      [`${HASH}@3`],
    );
    assert.deepEqual(readdirSync(file('blobs/sha256')), blobs);
    assert.deepEqual(readdirSync(file('.rbm-resume/quarantine')), [
      `${HASH}@3-${newest.digest.slice(7, 23)}.json`,
    ]);
    const names = (await openStore(store).list()).map((one) => `${one.hash}@${one.generation}`);
    assert.deepEqual(names, [`${HASH}@1`, `${HASH}@2`, `${OTHER_HASH}@1`]);
  });

  it('does not bring back what was taken out of use', async () => {
    await quarantine(storePaths(store), saved[2]!.entry, 'two builds have failed');
    rmSync(file('index.json'));
    await repairStore(store);
    const names = (await openStore(store).list()).map((one) => `${one.hash}@${one.generation}`);
    assert.deepEqual(names, [`${HASH}@1`, `${HASH}@2`, `${OTHER_HASH}@1`]);
  });

  it('takes no manifest for a snapshot of which anything is missing', async () => {
    rmSync(file('index.json'));
    rmSync(file(`blobs/sha256/${hexOf(saved[3]!.image.manifest.config.digest)}`));
    const { added, quarantined } = await repairStore(store);
    assert.deepEqual([[...added].sort(), quarantined], [[`${HASH}@2`, `${HASH}@3`], []]);
  });

  it('is a flag of verify, which says what was done and then finds nothing', async () => {
    writeFileSync(file('index.json'), '{');
    const { status, stdout } = await rbmResume(['--store', store, 'verify', '--repair'], { cwd: root });
    assert.equal(status, 0, stdout);
    for (const line of [
      /repaired: index\.json: /,
      /kept as .*index\.json\.damaged-/,
      /@3: in the index again/,
    ])
      assert.match(stdout, line);
    execFileSync('sha256sum', ['-c', '--quiet'], {
      cwd: file('blobs/sha256'),
      input: readdirSync(file('blobs/sha256'))
        .map((hex) => `${hex}  ${hex}\n`)
        .join(''),
    });
    const again = await rbmResume(['--store', store, 'verify', '--repair', '--json'], { cwd: root });
    const told = JSON.parse(again.stdout) as { repair: unknown; findings: unknown[] };
    assert.deepEqual(told.repair, { flaws: [], savedAs: [], added: [], quarantined: [] });
    assert.deepEqual(told.findings, []);
  });
});
