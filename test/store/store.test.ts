import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { parseProjectHash } from '../../lib/digest.js';
import { writeJsonDurably } from '../../lib/store/atomic-write.js';
import {
  allFailedTries,
  chargeFailedTry,
  failedTries,
  forgetFailedTries,
  forgetInAllLedgers,
} from '../../lib/store/ledger.js';
import { identifyOwner, isOwnerAlive, readScriptEnds, readStartTime } from '../../lib/store/live.js';
import { livePathsIn, storePaths } from '../../lib/store/paths.js';
import { readKeptRecord } from '../../lib/store/record.js';

const hash = parseProjectHash('a'.repeat(64));
const other = parseProjectHash('b'.repeat(64));
let root: string;
before(() => {
  root = mkdtempSync(join(tmpdir(), 'rbm-resume-store-'));
});
after(() => rmSync(root, { recursive: true }));

describe('the ledger', () => {
  it('counts failed tries by hash, and forgets them', async () => {
    const paths = storePaths(join(root, 'ledger'));
    mkdirSync(paths.state, { recursive: true });
    assert.equal(await failedTries(paths, hash), 0);
    assert.equal(await chargeFailedTry(paths, hash), 1);
    assert.equal(await chargeFailedTry(paths, hash), 2);
    assert.equal(await chargeFailedTry(paths, other), 1);
    await forgetFailedTries(paths, hash);
    assert.deepEqual([await failedTries(paths, hash), await failedTries(paths, other)], [0, 1]);
  });

  it('counts those of each class apart, and all together', async () => {
    const paths = storePaths(join(root, 'classes'));
    mkdirSync(paths.state, { recursive: true });
    for (const jobClass of [null, 'pr/7', 'pr/7', 'branch']) await chargeFailedTry(paths, hash, jobClass);
    assert.equal(await failedTries(paths, hash), 1);
    assert.equal(await failedTries(paths, hash, 'pr/7'), 2);
    assert.deepEqual([await allFailedTries(paths, hash), await allFailedTries(paths, other)], [4, 0]);
    await forgetInAllLedgers(paths, hash);
    assert.equal(await allFailedTries(paths, hash), 0);
  });

  it('starts anew when its file is damaged, and keeps the damaged one for a look', async () => {
    const paths = storePaths(join(root, 'damaged'));
    mkdirSync(paths.state, { recursive: true });
    writeFileSync(paths.ledger, '{"format":1,"failedTries":{"x":"y"}}');
    assert.equal(await failedTries(paths, hash), 0);
    assert.ok(existsSync(`${paths.ledger}.damaged`));
    assert.equal(await chargeFailedTry(paths, hash), 1);
  });
});

describe('records', () => {
  it('names the file and what is wrong with it', async () => {
    const file = join(root, 'record.json');
    for (const [text, pattern] of [
      ['', /record\.json: Unexpected end/],
      ['{"format":2}', /record\.json: /],
      ['{"format":1,"project":"p","step":3}', /record\.json: .*step/],
    ] as const) {
      writeFileSync(file, text);
      await assert.rejects(readKeptRecord(file), (error: Error & { code?: string }) => {
        assert.equal(error.code, 'BAD_RECORD');
        return pattern.test(error.message);
      });
    }
    await assert.rejects(readKeptRecord(join(root, 'none')), { code: 'BAD_RECORD' });
  });

  it('are written whole: no temporary file stays, and an old one is replaced', async () => {
    const dir = join(root, 'written');
    mkdirSync(dir);
    await writeJsonDurably(join(dir, 'a.json'), { a: 1 });
    await writeJsonDurably(join(dir, 'a.json'), { a: 2 });
    assert.deepEqual(readdirSync(dir), ['a.json']);
    assert.deepEqual(JSON.parse(readFileSync(join(dir, 'a.json'), 'utf8')), { a: 2 });
    await assert.rejects(writeJsonDurably(join(dir, 'none', 'a.json'), 1), { code: 'ENOENT' });
  });
});

describe('the owner of a live container', () => {
  it('is alive only as the very same process of this boot', async () => {
    const owner = await identifyOwner(process.pid);
    assert.equal(await isOwnerAlive(owner), true);
    assert.equal(await isOwnerAlive({ ...owner, startTime: '1' }), false);
    assert.equal(await isOwnerAlive({ ...owner, bootId: 'another' }), false);
    // Nothing can be said from here of a process in another pid namespace.
    assert.equal(await isOwnerAlive({ ...owner, startTime: '1', pidNamespace: 'pid:[1]' }), true);
    const child = spawn('true');
    const closed = new Promise((resolve) => child.on('close', resolve));
    const born = await readStartTime(Number(child.pid));
    await closed;
    assert.equal(await isOwnerAlive({ ...owner, pid: Number(child.pid), startTime: born }), false);
  });
});

describe('the ends of scripts', () => {
  it('are read with the last one counting, and what nobody can read as unknown', async () => {
    const live = livePathsIn(join(root, 'live'));
    mkdirSync(live.dir);
    assert.deepEqual([...(await readScriptEnds(live))], []);
    writeFileSync(live.scripts, 'pre 0\nbuild interrupted\nbuild 2\npost what\n');
    assert.deepEqual(Object.fromEntries(await readScriptEnds(live)), { pre: 0, build: 2, post: 'unknown' });
  });
});
