import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { open, readdir, rename } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { RbmResumeError } from '../lib/errors.js';
import { exportSnapshots } from '../lib/snapshot/export.js';
import { listKept } from '../lib/snapshot/kept.js';
import { verifyStore } from '../lib/snapshot/verify.js';
import { describeSystemError, isSystemError, namingIoFailures } from '../lib/system-error.js';

let root: string;
before(() => {
  root = mkdtempSync(join(tmpdir(), 'rbm-resume-system-'));
  writeFileSync(join(root, 'file'), '');
});
after(() => rmSync(root, { recursive: true }));

const failureOf = async (work: () => Promise<unknown>): Promise<Error> => {
  try {
    await work();
  } catch (error) {
    if (error instanceof Error) return error;
  }
  assert.fail('nothing failed');
};

describe('an error of the system', () => {
  it('is told with what was done to what', async () => {
    const [file, below] = [join(root, 'file'), join(root, 'file', 'below')];
    const told = async (work: () => Promise<unknown>) => {
      const error = await failureOf(work);
      assert.ok(isSystemError(error));
      return describeSystemError(error);
    };
    assert.equal(await told(() => open(below)), `cannot open ${below}: ENOTDIR: not a directory`);
    assert.equal(
      await told(() => rename(file, below)),
      `cannot rename ${file} to ${below}: ENOTDIR: not a directory`,
    );
    const full = await open('/dev/full', 'w');
    try {
      assert.equal(await told(() => full.writeFile('x')), 'cannot write: ENOSPC: no space left on device');
    } finally {
      await full.close();
    }
  });

  it('gets a name, a hint and its facts; what is a bug stays one', async () => {
    const below = join(root, 'file', 'below');
    const error = await failureOf(() => namingIoFailures('doing this', () => readdir(below)));
    assert.ok(error instanceof RbmResumeError);
    assert.deepEqual(
      [error.code, error.exitStatus, error.fields],
      ['IO_FAILED', 74, { systemCode: 'ENOTDIR', path: below }],
    );
    assert.match(error.message, /^doing this: cannot scandir .*\/file\/below: ENOTDIR/);
    assert.match(error.hint ?? '', /\?/);
    const bug = await failureOf(() => namingIoFailures('', () => Promise.reject(new TypeError('bug'))));
    assert.ok(bug instanceof TypeError);
    const wrongCall = await failureOf(() => namingIoFailures('', () => openSync(1 as never, 'r')));
    assert.equal((wrongCall as NodeJS.ErrnoException).code, 'ERR_INVALID_ARG_TYPE');
  });

  it('comes out of the library by that name', async () => {
    const store = join(root, 'store');
    mkdirSync(join(store, '.rbm-resume'), { recursive: true });
    writeFileSync(join(store, '.rbm-resume', 'parked'), '');
    writeFileSync(join(store, 'blobs'), '');
    await assert.rejects(listKept(store), { code: 'IO_FAILED' });
    await assert.rejects(exportSnapshots(store, join(root, 'export')), { code: 'IO_FAILED' });
    mkdirSync(join(root, 'other', 'index.json'), { recursive: true });
    const { findings } = await verifyStore(join(root, 'other'));
    assert.ok(findings.some(({ code }) => code === 'IO_FAILED'));
  });
});
