import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { parseProjectHash, sha256Hex } from '../../lib/digest.js';
import { removeTree } from '../../lib/rootfs/move-tree.js';
import { ParkingPlace } from '../container/parking-place.js';
import { rbmResume } from '../setup/init-workspace.js';
import { partsOf, startSmallBuild } from '../snapshot/small-build.js';
import { withoutProgress } from './without-progress.js';

const hash = parseProjectHash(sha256Hex('cli'));
const short = `${hash.slice(0, 16)}@1 (small)`;

describe('rbm-resume export and import', () => {
  let work: string;
  let store: string;
  before(async () => {
    work = mkdtempSync(join(tmpdir(), 'rbm-resume-cli-'));
    store = join(work, 'store');
    await (await startSmallBuild(work)).saveLeg(store, { hash });
  });
  after(() => removeTree(work));

  const command = (...args: string[]) => rbmResume(args, { cwd: work });
  const succeed = async (...args: string[]): Promise<string> => {
    const { status, stdout, stderr } = await command(...args);
    assert.deepEqual([status, withoutProgress(stderr)], [0, '']);
    return stdout;
  };
  const json = async (...args: string[]) =>
    JSON.parse(await succeed(...args, '--json')) as Record<string, unknown>;

  it('carry snapshots, and say what they did', async () => {
    const dir = join(work, 'plain');
    const exported = await succeed(
      'export',
      dir,
      hash.slice(0, 8),
      '--max-part-size',
      '64K',
      '--store',
      store,
    );
    assert.match(exported, /^\d+ KiB|blobs in \d+ parts/m);
    assert.equal(exported.split('\n')[0], `exported ${short}`);
    assert.ok(partsOf(dir).every((name) => statSync(join(dir, 'parts', name)).size <= 64 * 1024));
    const other = join(work, 'other');
    assert.match(
      await succeed('import', dir, '--store', other),
      new RegExp(`^imported ${hash.slice(0, 16)}@1`),
    );
    assert.match(await succeed('import', dir, '--store', other), /skipped .*: the store has it\n0 B copied/);
  });

  it('name what is parked and was not packed, where there is nothing to carry', async () => {
    const place = new ParkingPlace();
    try {
      await place.park();
      const { status, stdout, stderr } = await command(
        'export',
        join(work, 'empty'),
        '--store',
        place.paths.root,
      );
      assert.equal(status, 0);
      assert.match(stdout, /there are no snapshots/);
      assert.match(stderr, /p a{16} is parked, and not packed: `rbm-resume pack --all`/);
    } finally {
      await place.remove();
    }
  });

  it('name the base that was left out', async () => {
    const dir = join(work, 'without');
    assert.match(
      await succeed('export', dir, '--without-base', '--store', store),
      /left out sha256:[0-9a-f]{64}/,
    );
    const imported = await succeed('import', dir, '--store', join(work, 'third'));
    assert.match(imported, /needed for a restore: base\.tar\.zst \(sha256:[0-9a-f]{64}\)/);
  });

  it('print one object with --json', async () => {
    const dir = join(work, 'json');
    const exported = await json('export', dir, '--store', store);
    assert.deepEqual(Object.keys(exported).sort(), [
      'absent',
      'blobs',
      'bytes',
      'dir',
      'parts',
      'snapshots',
      'store',
    ]);
    const imported = await json('import', dir, '--store', join(work, 'fourth'));
    assert.deepEqual(
      (imported.imported as Record<string, unknown>[]).map((entry) => [
        entry.hash,
        entry.generation,
        entry.project,
      ]),
      [[hash, 1, 'small']],
    );
    assert.deepEqual([imported.skipped, imported.displaced, imported.absentBases], [[], [], []]);
    rmSync(join(dir, 'parts', partsOf(dir)[0] ?? ''));
    const { status, stdout } = await command('import', dir, '--json', '--store', join(work, 'fifth'));
    assert.equal(status, 77);
    assert.equal((JSON.parse(stdout) as { error: { code: string } }).error.code, 'INCOMPLETE_EXPORT');
  });

  it('end with the status of what went wrong', async () => {
    const status = async (...args: string[]) => (await command(...args, '--store', store)).status;
    assert.equal(await status('import', join(work, 'nowhere')), 66);
    assert.equal(await status('export', work), 64);
    assert.equal(await status('export', join(work, 'x'), '--max-part-size', 'much'), 64);
    assert.equal(await status('export', join(work, 'x'), 'ff00ff00'), 66);
  });
});
