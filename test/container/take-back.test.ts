import assert from 'node:assert/strict';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { findLeftovers } from '../../lib/container/prune.js';
import { takeBack } from '../../lib/container/take-back.js';
import { chargeFailedTry } from '../../lib/store/ledger.js';
import { storePaths } from '../../lib/store/paths.js';
import { until } from '../rbm/trap-workspace.js';
import { editSealed } from '../store/sealed-files.js';
import { hash, ParkingPlace } from './parking-place.js';

let place: ParkingPlace;
beforeEach(() => {
  place = new ParkingPlace();
});
afterEach(() => place.remove());

describe('what is taken back', () => {
  it('is taken back as it was, once', async () => {
    assert.equal(await place.park(), 'rename');
    assert.ok(!existsSync(join(place.root, 'first')));
    assert.equal((await place.takeBack()).how, 'rename');
    assert.equal(readFileSync(join(place.root, 'next/made-by'), 'utf8'), 'first');
    assert.deepEqual(await place.takeBack(), { how: 'nothing-kept' });
  });

  const wrongs: [string, RegExp, () => unknown][] = [
    ['its record is of another hash', /project hash b{64}/, () => place.editRecord(/a{64}/, 'b'.repeat(64))],
    [
      'its record was never put in place',
      /record\.json/,
      () => renameSync(place.kept.record, place.kept.pendingRecord),
    ],
    ['its tree is missing', /is missing/, () => renameSync(place.kept.rootfs, join(place.root, 'away'))],
    [
      'its tree was copied by hand',
      /is a copy/,
      () => {
        renameSync(place.kept.rootfs, join(place.root, 'away'));
        cpSync(join(place.root, 'away'), place.kept.rootfs, { recursive: true });
      },
    ],
    ['it belongs to other ids', /other id ranges/, () => place.editRecord(/"count": \d+/, '"count": 7')],
    [
      'the machine was restarted, and it was not on the disk',
      /restarted before/,
      () => {
        place.editRecord(/"bootId": "[^"]+"/, '"bootId": "another"');
        rmSync(place.kept.synced);
      },
    ],
    [
      'the machine was restarted, and only an earlier parking was on the disk',
      /restarted before/,
      () => {
        place.editRecord(/"bootId": "[^"]+"/, '"bootId": "another"');
        writeFileSync(place.kept.synced, '2001-01-01T00:00:00.000Z\n');
      },
    ],
    [
      'a temporary folder is missing',
      /work in it is missing/,
      () => rmSync(place.inTree('var/tmp/work'), { recursive: true }),
    ],
    [
      'a temporary folder is a symbolic link',
      /work in it is missing/,
      () => {
        rmSync(place.inTree('var/tmp/work'), { recursive: true });
        symlinkSync('/var/tmp', place.inTree('var/tmp/work'));
      },
    ],
    [
      'a temporary folder is no absolute path',
      /is no path/,
      () => place.editRecord(/"\/var\/tmp\/work"/, '"var/tmp/work"'),
    ],
    [
      'a temporary folder leads out of it',
      /is no path/,
      () => place.editRecord(/\/var\/tmp\/work/, '/var/../../../var'),
    ],
    [
      'a temporary folder is a command',
      /is no path/,
      () => place.editRecord(/\/var\/tmp\/work/, '/var/tmp/work; true'),
    ],
    [
      'its record is of another project',
      /project is "q"/,
      () => place.editRecord(/"project": "p"/, '"project": "q"'),
    ],
    [
      'two builds that went on in it have failed',
      /2 builds/,
      async () => {
        await chargeFailedTry(place.paths, hash);
        await chargeFailedTry(place.paths, hash);
      },
    ],
    ['an input file has another content', /input file data/, () => writeFileSync(place.input('data'), 'two')],
    ['there is one more input file', /input file more/, () => writeFileSync(place.input('more'), 'more')],
    ['an input file is gone', /input file data/, () => rmSync(place.input('data'))],
    [
      'nobody noted its input files',
      /not known of which input files/,
      () => place.editRecord(/"inputs": \{[^}]*\}/, '"inputs": null'),
    ],
    [
      'it stood at a statement, and scripts are divided in another way by now',
      /in another way/,
      () => place.editRecord(/"place": null/, '"place": "in statement 1 of 2"'),
    ],
  ];
  for (const [title, reason, change] of wrongs) {
    it(`is set aside when ${title}`, async () => {
      await place.park();
      await until(() => existsSync(place.kept.synced), 'the mark that it is on the disk');
      await change();
      const taken = await place.takeBack();
      assert.equal(taken.how, 'set-aside');
      assert.match(taken.reason, reason);
      assert.ok(!existsSync(place.container));
      assert.deepEqual(await place.takeBack(), { how: 'nothing-kept' });
      assert.match(readFileSync(join(place.paths.setAsideRoot, hash, 'reason'), 'utf8'), reason);
    });
  }

  it('is set aside when the build does not say where its input files are', async () => {
    await place.park();
    assert.equal((await place.takeBack(null)).how, 'set-aside');
  });

  it('is used after a restart when it was on the disk', async () => {
    await place.park();
    await until(
      () => existsSync(place.kept.synced) && readFileSync(place.kept.synced, 'utf8') !== '',
      'the mark',
    );
    place.editRecord(/"bootId": "[^"]+"/, '"bootId": "another"');
    assert.equal((await place.takeBack()).how, 'rename');
  });

  it('stays as it is when the system refuses to move it', async () => {
    const baseline = { entries: 1, bytes: 1, xxh64: '0' };
    const live = place.paths.live('first');
    mkdirSync(live.dir, { recursive: true });
    writeFileSync(live.baseline, 'listing');
    await place.park('first', 10, { baseline });
    const before = readFileSync(place.kept.record);
    mkdirSync(place.paths.live('next').dir, { recursive: true });
    const container = join(place.root, 'x'.repeat(300));
    const taken = await takeBack(place.paths, { ...place.taker, container });
    assert.equal(taken.how, 'left');
    assert.match(taken.reason, /ENAMETOOLONG/);
    assert.deepEqual(readFileSync(place.kept.record), before);
    assert.equal(readFileSync(place.kept.baseline, 'utf8'), 'listing');
    assert.equal((await place.takeBack()).how, 'rename');
  });

  it('has its place after a kill that came between its own rename and the one before', async () => {
    await place.park();
    const parking = `${place.kept.dir}.parking-01234567`;
    renameSync(place.kept.dir, parking);
    cpSync(parking, `${place.kept.dir}.parking-half`, { recursive: true });
    rmSync(join(`${place.kept.dir}.parking-half`, 'record.json'));
    mkdirSync(`${place.kept.dir}.removing-01234567`);
    assert.deepEqual(
      (await findLeftovers(place.paths.root))
        .flatMap(({ what, path }) => (what === 'unfinished-parking' ? path : []))
        .sort(),
      [`${place.kept.dir}.parking-half`, `${place.kept.dir}.removing-01234567`],
    );
    const taken = await place.takeBack();
    assert.equal(taken.how, 'rename');
    assert.deepEqual(readdirSync(place.paths.parkedRoot), []);
  });

  it('leaves nothing in the place of the container when it had to be copied and is of no use then', async () => {
    const shm = mkdtempSync('/dev/shm/rbm-resume-park-');
    try {
      assert.notEqual(
        statSync(shm).dev,
        statSync(place.root).dev,
        'one file system: nothing has to be copied',
      );
      await place.park();
      const there = storePaths(shm);
      mkdirSync(there.parkedRoot, { recursive: true });
      cpSync(place.kept.dir, there.parked(hash).dir, { recursive: true });
      const inode = String(statSync(there.parked(hash).rootfs, { bigint: true }).ino);
      writeFileSync(there.parked(hash).baseline, 'no listing');
      const baseline = { entries: 1, bytes: 10, xxh64: '0'.repeat(16) };
      editSealed(there.parked(hash).record, (record) => ({ ...record, inode, baseline }));
      const container = place.container;
      mkdirSync(there.live('next').dir, { recursive: true });
      const taken = await takeBack(there, { ...place.taker, container });
      assert.equal(taken.how, 'set-aside', JSON.stringify(taken));
      assert.ok(!existsSync(container) && !existsSync(`${container}.partial`));
    } finally {
      rmSync(shm, { recursive: true });
    }
  });

  it('goes out of the way when something other than want of room has been in it twice', async () => {
    await place.park();
    const nowhere = join(place.root, 'x'.repeat(300));
    assert.equal((await takeBack(place.paths, { ...place.taker, container: nowhere })).how, 'left');
    assert.ok(existsSync(place.inTree('made-by')));
    assert.equal((await takeBack(place.paths, { ...place.taker, container: nowhere })).how, 'set-aside');
    assert.ok(!existsSync(place.kept.dir));
  });

  it('is for jobs of the very class that parked it', async () => {
    await place.park('first', 10, { jobClass: 'pr/7' });
    const next = { ...place.taker, container: place.container };
    for (const jobClass of [null, 'pr/8', 'branch', 'protected', 'release']) {
      const told = jobClass === null ? 'no class' : `class ${jobClass}`;
      assert.deepEqual(await takeBack(place.paths, { ...next, jobClass }), {
        how: 'left',
        reason: `it was parked by a job of class pr/7, and this one is of ${told}`,
      });
      assert.ok(existsSync(place.inTree('made-by')) && !existsSync(next.container));
    }
    assert.equal((await takeBack(place.paths, { ...next, jobClass: 'pr/7' })).how, 'rename');
    rmSync(next.container, { recursive: true });
    await place.park('second', 10);
    assert.equal((await takeBack(place.paths, { ...next, jobClass: 'branch' })).how, 'left');
    assert.equal((await takeBack(place.paths, next)).how, 'rename');
  });
});
