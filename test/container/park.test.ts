import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
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
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { fingerprintInputs } from '../../lib/container/inputs.js';
import { park, type ParkRequest, type ParkResult } from '../../lib/container/park.js';
import { takeBack } from '../../lib/container/take-back.js';
import { findLeftovers } from '../../lib/container/prune.js';
import { parseProjectHash } from '../../lib/digest.js';
import { readIdMap } from '../../lib/id-map.js';
import { chargeFailedTry } from '../../lib/store/ledger.js';
import { storePaths } from '../../lib/store/paths.js';
import { editSealed } from '../store/sealed-files.js';
import { until } from '../rbm/trap-workspace.js';

const hash = parseProjectHash('a'.repeat(64));
const build = {
  ...{ project: 'p', version: '1', step: 'build', targets: [], filename: 'p.txt' },
  expectedScripts: ['build'],
};

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'rbm-resume-park-'));
  mkdirSync(join(root, 'inputs'));
  writeFileSync(join(root, 'inputs', 'data'), 'one');
});
// The mark that a parked tree is on the disk may still come while it is being removed.
afterEach(() => until(() => spawnSync('rm', ['-rf', root]).status === 0, `the removal of ${root}`));

const paths = () => storePaths(join(root, 'store'));
const kept = () => paths().parked(hash);

/** Makes a small container with a temporary folder, and parks it. */
async function parkOne(
  name = 'first',
  seconds = 10,
  more: Partial<ParkRequest['record']> = {},
): Promise<ParkResult> {
  const container = join(root, name);
  mkdirSync(join(container, 'var/tmp/work'), { recursive: true });
  writeFileSync(join(container, 'made-by'), name);
  const live = paths().live(name);
  mkdirSync(live.dir, { recursive: true });
  const [startedAt, endedAt] = ['2030-01-01T00:00:00.000Z', '2030-01-01T00:00:10.000Z'];
  return park(paths(), {
    container,
    live,
    inputsDir: null,
    record: {
      ...build,
      ...{ format: 1, workspace: null },
      idMap: await readIdMap(),
      legs: [
        {
          startedAt,
          endedAt,
          seconds,
          stoppedIn: 'build',
          place: null,
          division: null,
          escalation: null,
          removedFiles: [],
        },
      ],
      hash,
      ...{ image: null, snapshot: null, jobClass: null },
      container,
      tmpFolders: ['/var/tmp/work'],
      inputs: await fingerprintInputs(join(root, 'inputs'), build),
      endedScripts: [],
      baseline: null,
      reason: 'interrupted',
      ...more,
    },
  });
}

const takeIt = (inputsDir: string | null = join(root, 'inputs')) =>
  takeBack(paths(), { ...build, hash, id: 'next', container: join(root, 'next'), inputsDir });

const editRecord = (from: RegExp, to: string): void =>
  editSealed(kept().record, (record) => {
    const text = JSON.stringify(record, null, 2);
    const edited = text.replace(from, to);
    assert.notEqual(edited, text);
    return JSON.parse(edited) as object;
  });
const inTree = (path: string): string => join(kept().rootfs, path);
const input = (name: string): string => join(root, 'inputs', name);

describe('what is parked', () => {
  it('is taken back as it was, once', async () => {
    assert.equal(await parkOne(), 'rename');
    assert.ok(!existsSync(join(root, 'first')));
    assert.equal((await takeIt()).how, 'rename');
    assert.equal(readFileSync(join(root, 'next/made-by'), 'utf8'), 'first');
    assert.deepEqual(await takeIt(), { how: 'nothing-kept' });
  });

  const wrongs: [string, RegExp, () => unknown][] = [
    ['its record is of another hash', /project hash b{64}/, () => editRecord(/a{64}/, 'b'.repeat(64))],
    [
      'its record was never put in place',
      /record\.json/,
      () => renameSync(kept().record, kept().pendingRecord),
    ],
    ['its tree is missing', /is missing/, () => renameSync(kept().rootfs, join(root, 'away'))],
    [
      'its tree was copied by hand',
      /is a copy/,
      () => {
        renameSync(kept().rootfs, join(root, 'away'));
        cpSync(join(root, 'away'), kept().rootfs, { recursive: true });
      },
    ],
    ['it belongs to other ids', /other id ranges/, () => editRecord(/"count": \d+/, '"count": 7')],
    [
      'the machine was restarted, and it was not on the disk',
      /restarted before/,
      () => {
        editRecord(/"bootId": "[^"]+"/, '"bootId": "another"');
        rmSync(kept().synced);
      },
    ],
    [
      'the machine was restarted, and only an earlier parking was on the disk',
      /restarted before/,
      () => {
        editRecord(/"bootId": "[^"]+"/, '"bootId": "another"');
        writeFileSync(kept().synced, '2001-01-01T00:00:00.000Z\n');
      },
    ],
    [
      'a temporary folder is missing',
      /work in it is missing/,
      () => rmSync(inTree('var/tmp/work'), { recursive: true }),
    ],
    [
      'a temporary folder is a symbolic link',
      /work in it is missing/,
      () => {
        rmSync(inTree('var/tmp/work'), { recursive: true });
        symlinkSync('/var/tmp', inTree('var/tmp/work'));
      },
    ],
    [
      'a temporary folder is no absolute path',
      /is no path/,
      () => editRecord(/"\/var\/tmp\/work"/, '"var/tmp/work"'),
    ],
    [
      'a temporary folder leads out of it',
      /is no path/,
      () => editRecord(/\/var\/tmp\/work/, '/var/../../../var'),
    ],
    [
      'a temporary folder is a command',
      /is no path/,
      () => editRecord(/\/var\/tmp\/work/, '/var/tmp/work; true'),
    ],
    [
      'its record is of another project',
      /project is "q"/,
      () => editRecord(/"project": "p"/, '"project": "q"'),
    ],
    [
      'two builds that went on in it have failed',
      /2 builds/,
      async () => {
        await chargeFailedTry(paths(), hash);
        await chargeFailedTry(paths(), hash);
      },
    ],
    ['an input file has another content', /input file data/, () => writeFileSync(input('data'), 'two')],
    ['there is one more input file', /input file more/, () => writeFileSync(input('more'), 'more')],
    ['an input file is gone', /input file data/, () => rmSync(input('data'))],
    [
      'nobody noted its input files',
      /not known of which input files/,
      () => editRecord(/"inputs": \{[^}]*\}/, '"inputs": null'),
    ],
    [
      'it stood at a statement, and scripts are divided in another way by now',
      /in another way/,
      () => editRecord(/"place": null/, '"place": "in statement 1 of 2"'),
    ],
  ];
  for (const [title, reason, change] of wrongs) {
    it(`is set aside when ${title}`, async () => {
      await parkOne();
      await until(() => existsSync(kept().synced), 'the mark that it is on the disk');
      await change();
      const taken = await takeIt();
      assert.equal(taken.how, 'set-aside');
      assert.match(taken.reason, reason);
      assert.ok(!existsSync(join(root, 'next')));
      assert.deepEqual(await takeIt(), { how: 'nothing-kept' });
      assert.match(readFileSync(join(paths().setAsideRoot, hash, 'reason'), 'utf8'), reason);
    });
  }

  it('is set aside when the build does not say where its input files are', async () => {
    await parkOne();
    assert.equal((await takeIt(null)).how, 'set-aside');
  });

  it('is used after a restart when it was on the disk', async () => {
    await parkOne();
    await until(() => existsSync(kept().synced) && readFileSync(kept().synced, 'utf8') !== '', 'the mark');
    editRecord(/"bootId": "[^"]+"/, '"bootId": "another"');
    assert.equal((await takeIt()).how, 'rename');
  });

  it('stays when another that is to replace it can only be parked half way', async () => {
    // The listing can't be moved, as there is none.
    const baseline = { entries: 1, bytes: 1, xxh64: '0' };
    await assert.rejects(parkOne('first', 10, { baseline }));
    assert.deepEqual(readdirSync(paths().parkedRoot), []);
    await parkOne('second', 10);
    await assert.rejects(parkOne('third', 20, { baseline }));
    assert.deepEqual(readdirSync(paths().parkedRoot), [hash]);
    assert.equal(readFileSync(inTree('made-by'), 'utf8'), 'second');
    assert.equal((await takeIt()).how, 'rename');
  });

  it('stays as it is when the system refuses to move it', async () => {
    const baseline = { entries: 1, bytes: 1, xxh64: '0' };
    const live = paths().live('first');
    mkdirSync(live.dir, { recursive: true });
    writeFileSync(live.baseline, 'listing');
    await parkOne('first', 10, { baseline });
    const before = readFileSync(kept().record);
    mkdirSync(paths().live('next').dir, { recursive: true });
    const container = join(root, 'x'.repeat(300));
    const inputsDir = join(root, 'inputs');
    const taken = await takeBack(paths(), { ...build, hash, id: 'next', container, inputsDir });
    assert.equal(taken.how, 'left');
    assert.match(taken.reason, /ENAMETOOLONG/);
    assert.deepEqual(readFileSync(kept().record), before);
    assert.equal(readFileSync(kept().baseline, 'utf8'), 'listing');
    assert.equal((await takeIt()).how, 'rename');
  });

  it('has its place after a kill that came between its own rename and the one before', async () => {
    await parkOne();
    const parking = `${kept().dir}.parking-01234567`;
    renameSync(kept().dir, parking);
    cpSync(parking, `${kept().dir}.parking-half`, { recursive: true });
    rmSync(join(`${kept().dir}.parking-half`, 'record.json'));
    mkdirSync(`${kept().dir}.removing-01234567`);
    assert.deepEqual(
      (await findLeftovers(paths().root))
        .flatMap(({ what, path }) => (what === 'unfinished-parking' ? path : []))
        .sort(),
      [`${kept().dir}.parking-half`, `${kept().dir}.removing-01234567`],
    );
    const taken = await takeIt();
    assert.equal(taken.how, 'rename');
    assert.deepEqual(readdirSync(paths().parkedRoot), []);
  });

  it('leaves nothing in the place of the container when it had to be copied and is of no use then', async () => {
    const shm = mkdtempSync('/dev/shm/rbm-resume-park-');
    try {
      assert.notEqual(statSync(shm).dev, statSync(root).dev, 'one file system: nothing has to be copied');
      await parkOne();
      const there = storePaths(shm);
      mkdirSync(there.parkedRoot, { recursive: true });
      cpSync(kept().dir, there.parked(hash).dir, { recursive: true });
      const inode = String(statSync(there.parked(hash).rootfs, { bigint: true }).ino);
      writeFileSync(there.parked(hash).baseline, 'no listing');
      const baseline = { entries: 1, bytes: 10, xxh64: '0'.repeat(16) };
      editSealed(there.parked(hash).record, (record) => ({ ...record, inode, baseline }));
      const container = join(root, 'next');
      mkdirSync(there.live('next').dir, { recursive: true });
      const inputsDir = join(root, 'inputs');
      const taken = await takeBack(there, { ...build, hash, id: 'next', container, inputsDir });
      assert.equal(taken.how, 'set-aside', JSON.stringify(taken));
      assert.ok(!existsSync(container) && !existsSync(`${container}.partial`));
    } finally {
      rmSync(shm, { recursive: true });
    }
  });

  it('goes out of the way when something other than want of room has been in it twice', async () => {
    await parkOne();
    const next = { ...build, hash, id: 'next', inputsDir: join(root, 'inputs') };
    const nowhere = join(root, 'x'.repeat(300));
    assert.equal((await takeBack(paths(), { ...next, container: nowhere })).how, 'left');
    assert.ok(existsSync(inTree('made-by')));
    assert.equal((await takeBack(paths(), { ...next, container: nowhere })).how, 'set-aside');
    assert.ok(!existsSync(kept().dir));
  });

  it('is for jobs of the very class that parked it', async () => {
    await parkOne('first', 10, { jobClass: 'pr/7' });
    const next = {
      ...build,
      hash,
      id: 'next',
      container: join(root, 'next'),
      inputsDir: join(root, 'inputs'),
    };
    for (const jobClass of [null, 'pr/8', 'branch', 'protected', 'release']) {
      const told = jobClass === null ? 'no class' : `class ${jobClass}`;
      assert.deepEqual(await takeBack(paths(), { ...next, jobClass }), {
        how: 'left',
        reason: `it was parked by a job of class pr/7, and this one is of ${told}`,
      });
      assert.ok(existsSync(inTree('made-by')) && !existsSync(next.container));
    }
    assert.equal((await takeBack(paths(), { ...next, jobClass: 'pr/7' })).how, 'rename');
    rmSync(next.container, { recursive: true });
    await parkOne('second', 10);
    assert.equal((await takeBack(paths(), { ...next, jobClass: 'branch' })).how, 'left');
    assert.equal((await takeBack(paths(), next)).how, 'rename');
  });

  it('is not in the way of a job of another class, however much work is in it', async () => {
    await parkOne('first', 1000, { jobClass: 'pr/7' });
    assert.equal(await parkOne('second', 10, { jobClass: 'branch' }), 'rename');
    assert.equal(readFileSync(inTree('made-by'), 'utf8'), 'second');
    assert.deepEqual(readdirSync(paths().parkedRoot), [hash]);
    assert.equal(await parkOne('third', 1, { jobClass: 'branch' }), 'already-kept');
  });

  it('gives way to a tree with as much work, not to one with less', async () => {
    await parkOne('first', 10);
    assert.equal(await parkOne('second', 5), 'already-kept');
    assert.ok(existsSync(join(root, 'second')));
    assert.equal(readFileSync(inTree('made-by'), 'utf8'), 'first');
    assert.equal(await parkOne('third', 10), 'rename');
    assert.equal(readFileSync(inTree('made-by'), 'utf8'), 'third');
  });
});
