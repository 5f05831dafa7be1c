import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, it } from 'node:test';
import type { IdMap } from '../../lib/id-map.js';
import { chargeFailedTry, failedTries } from '../../lib/store/ledger.js';
import { readLiveRecord } from '../../lib/store/record.js';
import { editSealed } from '../store/sealed-files.js';
import { ContainerStart, HASH, IMAGE } from './container-start.js';

/** Of another user. */
const shifted = ({ uids, ...rest }: IdMap): IdMap => ({
  ...rest,
  uids: { ...uids, first: uids.first + 65_536 },
});

describe(
  'the start of a container where something is parked beside the snapshots, or beside none',
  { timeout: 240_000 },
  () => {
    let start: ContainerStart;
    beforeEach(async () => {
      start = await ContainerStart.make();
    });

    it('sets a parked tree of other id ranges aside and goes on in a snapshot', async () => {
      const one = await start.save();
      await start.parkTree();
      editSealed(start.paths.parked(HASH).record, (record) => ({
        ...record,
        idMap: shifted(record.idMap as IdMap),
      }));
      const told = await start.assertResumed(one);
      assert.match(told, /is set aside, .*: it was made with other id ranges/);
      assert.deepEqual(readdirSync(start.paths.setAsideRoot), [HASH]);
    });

    it('uses neither a parked tree nor a snapshot after two failed tries', async () => {
      await start.save();
      await start.parkTree();
      await chargeFailedTry(start.paths, HASH);
      await chargeFailedTry(start.paths, HASH);
      const told = await start.assertClean();
      assert.match(told, /is set aside, .*: 2 builds/);
      assert.deepEqual(
        [await start.generations(), start.quarantined()],
        [[], [`${HASH}@1-${start.saved[0]!.digest.slice(7, 23)}.json`]],
      );
      assert.equal(await failedTries(start.paths, HASH), 0);
    });

    it('leaves what another class has parked where it is, after its own success too', async () => {
      await start.parkTree('protected');
      assert.match(await start.assertClean(), /and stays, .* was parked by a job of class protected/);
      const { outcome } = await start.exit('pre 0\nbuild 0\nget 0\n', 2);
      assert.equal(outcome, 'succeeded');
      assert.ok(existsSync(start.paths.parked(HASH).rootfs));
    });

    it('holds the image that a clean container is made of, not that of a parked tree that could not be moved', async () => {
      await start.parkTree();
      // A file in the way of the container makes the rename fail after the image has been moved.
      writeFileSync(start.container, '');
      start.isBlocked = true;
      rmSync(join(start.inputsDir, IMAGE));
      writeFileSync(join(start.inputsDir, IMAGE), 'an image made since then');
      const told = await start.assertClean();
      assert.match(told, /is set aside/);
      assert.equal(readFileSync(start.live().base, 'utf8'), 'an image made since then');
    });

    it('does not keep an image that was written since the container was made of it', async () => {
      await start.assertClean();
      const { image } = await readLiveRecord(start.live().record);
      assert.equal(image?.name, IMAGE);
      writeFileSync(join(start.inputsDir, IMAGE), 'written in place');
      assert.equal((await start.exit('build interrupted\n', 0)).outcome, 'interrupted');
      assert.ok(existsSync(start.paths.parked(HASH).rootfs) && !existsSync(start.paths.parked(HASH).base));
    });
  },
);
