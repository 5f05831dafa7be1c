import assert from 'node:assert/strict';
import {
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, it } from 'node:test';
import { assertEqualTrees, expectRestored } from '../../fixtures/trees/compare-trees.js';
import { describeTree } from '../../fixtures/trees/describe-tree.js';
import { hexOf } from '../../lib/digest.js';
import { DIVISION } from '../../lib/script/division.js';
import { ANNOTATION } from '../../lib/snapshot/annotations.js';
import { commitImage } from '../../lib/snapshot/image.js';
import { repairStore } from '../../lib/snapshot/repair.js';
import type { Snapshot } from '../../lib/snapshot/snapshot.js';
import { chargeFailedTry, failedTries } from '../../lib/store/ledger.js';
import type { SnapshotRecord } from '../../lib/store/record.js';
import { withStaging } from '../../lib/store/staging.js';
import { flipByte, recordOf } from '../snapshot/small-snapshots.js';
import { ContainerStart, HASH, IMAGE } from './container-start.js';

describe(
  'the start of a container where nothing is parked and the store has snapshots',
  { timeout: 240_000 },
  () => {
    let start: ContainerStart;
    beforeEach(async () => {
      start = await ContainerStart.make();
    });

    it('goes on in the newest, with the very tree, its folders and ended scripts, and does not use it up', async () => {
      await start.save();
      const newest = await start.save();
      const told = await start.assertResumed(newest);
      assert.match(
        told,
        /hello goes on in the snapshot of 2026-01-02T03:04:05.000Z \(generation 2\), after 1 leg/,
      );
      assertEqualTrees(
        await describeTree(start.container),
        expectRestored(await describeTree(start.small.rootfs)),
      );
      assert.equal(readFileSync(start.live().tmpFolders, 'utf8'), '/etc\n/usr/bin\n');
      assert.equal(readFileSync(start.live().scripts, 'utf8'), 'pre 0\n');
      assert.deepEqual(await start.generations(), [1, 2]);
      assert.deepEqual([start.quarantined(), readdirSync(start.paths.stagingRoot)], [[], []]);
    });

    it('quarantines the newest when it is damaged, and goes on in the one before', async () => {
      const first = await start.save();
      const newest = await start.save();
      flipByte(start.layerFile(newest, 2));
      const told = await start.assertResumed(first);
      assert.match(told, new RegExp(`the snapshot ${HASH}@2 can't be used: .*\\nit is taken out of use\\n`));
      assert.match(told, /\(generation 1\)/);
      assert.equal(readFileSync(join(start.container, 'etc', 'made'), 'utf8'), 'leg 0\n');
      const name = `${HASH}@2-${newest.digest.slice(7, 23)}.json`;
      assert.deepEqual([await start.generations(), start.quarantined()], [[1], [name]]);
      const note = JSON.parse(readFileSync(join(start.paths.quarantineRoot, name), 'utf8')) as object;
      assert.match(JSON.stringify(note), new RegExp(newest.digest));
    });

    it('starts clean when each of them is damaged, one way or another', async () => {
      const first = await start.save();
      const newest = await start.save();
      flipByte(start.layerFile(newest, 2));
      rmSync(start.layerFile(first, 1));
      const told = await start.assertClean();
      for (const generation of [1, 2])
        assert.match(told, new RegExp(`${HASH}@${generation} can't be used: `));
      assert.match(told, /the build starts clean$/);
      assert.deepEqual([await start.generations(), start.quarantined().length], [[], 2]);
      rmSync(start.container, { recursive: true });
      assert.equal(await start.assertClean(), '', 'nothing more is said the next time');
    });

    it('quarantines one whose manifest, config or listing is damaged', async () => {
      for (const digestIn of [
        (one: Snapshot) => one.digest,
        (one: Snapshot) => one.image.manifest.config.digest,
        (one: Snapshot) => one.layers.at(-1)!.listing!.digest,
      ]) {
        const one = await start.save();
        flipByte(join(start.paths.blobs, hexOf(digestIn(one))));
        assert.match(await start.assertClean(), /it is taken out of use\nthe build starts clean$/);
        assert.deepEqual(await start.generations(), []);
        start = await ContainerStart.make();
      }
    });

    it('starts clean when the index of the store is damaged', async () => {
      await start.save();
      writeFileSync(start.paths.index, '{');
      assert.match(await start.assertClean(), /the build starts clean/);
    });

    it('starts clean when an input has another content, and keeps the snapshot', async () => {
      await start.save();
      writeFileSync(join(start.inputsDir, 'source'), 'otherwise');
      assert.match(
        await start.assertClean(),
        /is not used, and the build starts clean: the input file source has another/,
      );
      assert.deepEqual([await start.generations(), start.quarantined()], [[1], []]);
    });

    it('starts clean when an input is missing, is new, or nobody knows which there were', async () => {
      await start.save();
      renameSync(join(start.inputsDir, 'source'), join(start.inputsDir, 'renamed'));
      assert.match(await start.assertClean(), /starts clean: the input file (source|renamed)/);
      rmSync(start.container, { recursive: true });
      await start.save({ inputs: null });
      assert.match(await start.assertClean(), /it is not known of which input files it was made/);
      assert.deepEqual(await start.generations(), [1, 2]);
    });

    it('takes a snapshot out of use that lacks a temporary folder, or has something else there', async () => {
      for (const folder of ['/tmp/gone', '/etc/base']) {
        await start.save({ tmpFolders: ['/etc', folder] }, { parent: null, baseline: null });
        assert.match(await start.assertClean(), new RegExp(`the folder ${folder} in it is missing`));
        rmSync(start.container, { recursive: true });
        assert.deepEqual(await start.generations(), []);
      }
      // Both were the first of their hash, and a repair leaves both out.
      assert.equal(start.quarantined().length, 2);
      writeFileSync(start.paths.index, '');
      await repairStore(start.small.store);
      assert.deepEqual(await start.generations(), []);
    });

    it('takes a snapshot out of use whose record would do harm on the host, or is of another build', async () => {
      const [leg] = recordOf(HASH).legs;
      const harmful: [Partial<SnapshotRecord>, RegExp][] = [
        [{ tmpFolders: ['/etc', `/usr/bin; touch ${start.work}/pwned`] }, /is no path for a folder/],
        [{ tmpFolders: ['/etc', '/etc/../..'] }, /is no path for a folder/],
        [{ tmpFolders: ['etc'] }, /is no path for a folder/],
        [{ endedScripts: ['pre', 'build'] }, /has ended and that it was interrupted/],
        [{ endedScripts: ['pre 0\nbuild 0\nget'] }, /not the first ones/],
        [{ project: 'other' }, /project is "other", not "hello"/],
        [{ targets: ['nightly'] }, /targets is \["nightly"\], not \[\]/],
        [{ expectedScripts: ['pre'] }, /expectedScripts is/],
        [{ legs: [{ ...leg!, seconds: -1 }] }, /has no record of the build that can be read/],
        [{ legs: [{ ...leg!, place: 'in statement 2 of 3', division: DIVISION }] }, /that it does not hold/],
      ];
      for (const [more, said] of harmful) {
        await start.save(more, { parent: null, baseline: null });
        const told = await start.assertClean();
        assert.match(told, said);
        assert.match(told, /it is taken out of use\nthe build starts clean$/);
        assert.deepEqual(await start.generations(), []);
        rmSync(start.container, { recursive: true });
      }
      assert.deepEqual(readdirSync(start.work).sort(), ['containers', 'inputs']);
    });

    it('takes a snapshot out of use by whose tree the host would write elsewhere', async () => {
      await start.small.change('mkdir rbm; ln -s /etc/hostname rbm/cmd');
      await start.save();
      assert.match(
        await start.assertClean(),
        /\/rbm\/cmd in it is of a type by which .*\nit is taken out of use/,
      );
      assert.deepEqual(
        [await start.generations(), start.quarantined()],
        [[], [`${HASH}@1-${start.saved[0]!.digest.slice(7, 23)}.json`]],
      );
    });

    it('takes the identical image of the build where the base was left out', async () => {
      const one = await start.save({}, { withoutBase: true });
      assert.ok(!existsSync(start.layerFile(one, 0)));
      await start.assertResumed(one);
      assertEqualTrees(
        await describeTree(start.container),
        expectRestored(await describeTree(start.small.rootfs)),
      );
    });

    it('starts clean when the base was left out and the image is another, or there is none', async () => {
      await start.save({}, { withoutBase: true });
      writeFileSync(join(start.inputsDir, IMAGE), 'another image');
      assert.match(await start.assertClean(), /was stored without its base .*, and .* is another one/);
      rmSync(start.container, { recursive: true });
      rmSync(join(start.inputsDir, IMAGE));
      assert.match(await start.assertClean(), /was stored without its base .*, and there is none at hand/);
      assert.deepEqual([await start.generations(), start.quarantined()], [[1], []]);
    });

    it('takes all of them out of use once after two failed tries, and counts anew', async () => {
      await start.save();
      await start.save();
      await chargeFailedTry(start.paths, HASH);
      await chargeFailedTry(start.paths, HASH);
      const told = await start.assertClean();
      assert.equal([...told.matchAll(/is taken out of use: 2 builds/g)].length, 2, told);
      assert.deepEqual([await start.generations(), start.quarantined().length], [[], 2]);
      assert.equal(await failedTries(start.paths, HASH), 0);
      const next = await start.save({}, { parent: null, baseline: null });
      rmSync(start.container, { recursive: true });
      await start.assertResumed(next);
    });

    it('starts clean where there is no room, and keeps the snapshot', async () => {
      await start.small.change('truncate -s 8T huge');
      const one = await start.save();
      const layers = one.layers.map((layer) => ({
        ...{ diffId: layer.diffId, blobs: [], members: () => [] },
        descriptor: {
          ...layer.descriptor,
          size: 2 ** 42,
          annotations: { ...layer.descriptor.annotations, [ANNOTATION.diffSize]: '9'.repeat(15) },
        },
      }));
      // Small files are not believed to unpack to so much.
      for (const number of one.layers.keys()) truncateSync(start.layerFile(one, number), 2 ** 42);
      // Twice, since the newest two stay.
      for (let count = 0; count < 2; count += 1) {
        await withStaging(start.paths, (staging) =>
          commitImage(start.paths, { staging, record: one.record, layers }),
        );
      }
      const told = await start.assertClean();
      for (const generation of [2, 3])
        assert.match(
          told,
          new RegExp(`@${generation} can't be used: .* bytes are free, the snapshot needs `),
        );
      assert.deepEqual([await start.generations(), start.quarantined()], [[2, 3], []]);
    });

    it('is charged when it fails, and drops snapshots and blobs when it succeeds', async () => {
      await start.save();
      await start.save();
      await start.assertResumed(start.saved[1]!);
      const failed = await start.exit('pre 0\nbuild 2\n', 2);
      assert.equal(failed.outcome, 'failed');
      assert.deepEqual([await failedTries(start.paths, HASH), await start.generations()], [1, [1, 2]]);
      await start.assertResumed(start.saved[1]!);
      const { outcome } = await start.exit('pre 0\nbuild 0\nget 0\n', 2);
      assert.equal(outcome, 'succeeded');
      assert.deepEqual(
        [await failedTries(start.paths, HASH), await start.generations(), readdirSync(start.paths.blobs)],
        [0, [], []],
      );
      assert.ok(!existsSync(start.container));
    });
  },
);
