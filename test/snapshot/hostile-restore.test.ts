import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { RbmResumeError } from '../../lib/errors.js';
import { restoreSnapshot } from '../../lib/snapshot/restore.js';
import { sample } from '../faults/points.js';
import { HOSTILE_FAMILIES } from '../layer/hostile-families.js';
import { archive, member } from '../layer/tar-bytes.js';
import { PoisonedStore } from './poisoned-store.js';
import { HASH, makeSmall, root } from './small-snapshots.js';

/** What a layer says of itself: nothing, so it is read before it is extracted; or what another layer is. */
const LISTINGS = ['none', 'that of an honest layer'] as const;

const DEFECTS = /^(?:BAD_LAYER|LAYER_TOO_BIG|INEXACT_RESTORE|DAMAGED_BLOB)$/;

describe('a restore of a snapshot with a hostile layer', () => {
  let work: string;
  let honest: string;
  let canary: string;
  before(async () => {
    const small = await makeSmall();
    await small.change('echo delta > etc/made');
    await small.save();
    work = mkdtempSync(join(root, 'hostile-'));
    honest = small.store;
    canary = join(work, 'canary');
    mkdirSync(join(canary, 'dir'), { recursive: true });
    writeFileSync(join(canary, 'file'), 'sings');
    writeFileSync(join(work, 'x'), 'sings');
    mkdirSync(join(work, 'here'));
  });

  /** All that lies beside the tree, by find(1) and sha256sum(1). */
  const surroundings = (): string =>
    execFileSync(
      'sh',
      [
        '-c',
        'find . -name store -prune -o -name here -prune -o -printf "%p %y %m %U %G %n %s %T@ %C@ %l\\n" -type f -exec sha256sum {} \\; | sort',
      ],
      { cwd: work, encoding: 'utf8' },
    );

  async function attempt(bytes: Buffer, listing: (typeof LISTINGS)[number]): Promise<RbmResumeError | null> {
    const store = new PoisonedStore(join(work, 'store'));
    store.reset(honest);
    store.replaceDelta(execFileSync('zstd', ['-cq'], { input: bytes }), {
      diffSize: bytes.length,
      hasListing: listing !== 'none',
    });
    const before = surroundings();
    let refusal: RbmResumeError | null = null;
    try {
      await restoreSnapshot(store.dir, HASH, { dir: join(work, 'here', 'tree') });
    } catch (error) {
      assert.ok(error instanceof RbmResumeError, String(error));
      refusal = error;
    }
    assert.equal(surroundings(), before, refusal?.message);
    if (refusal !== null) assert.deepEqual(readdirSync(join(work, 'here')), [], refusal.message);
    return refusal;
  }

  const own = () => {
    const hits = [canary, join(canary, 'file'), '../../canary', '../../canary/file', '../../x'];
    const through = (target: string) =>
      archive(
        member({ name: 'in', type: '2', linkName: target }),
        member({ name: 'in/file' }, 'dead'),
        member({ name: 'in/dir', type: '5', mode: '0000777\0' }),
      );
    return hits.flatMap((path) => [
      { name: `${path} by its name`, bytes: archive(member({ name: path }, 'dead')) },
      { name: `${path} by a hard link`, bytes: archive(member({ name: 'in', type: '1', linkName: path })) },
      { name: `${path} through a symbolic link`, bytes: through(path) },
    ]);
  };
  const named = () => Object.values(HOSTILE_FAMILIES).flatMap((make) => [...make()]);

  for (const listing of LISTINGS) {
    it(`says why, and touches nothing else: its listing is ${listing}`, async (t) => {
      const cases = [...own(), ...sample(named(), 12)];
      let [refused, restored] = [0, 0];
      for (const { name, bytes, ...expected } of cases) {
        const error = await attempt(bytes, listing);
        const isHarmless = 'refused' in expected && expected.refused === null && listing === 'none';
        if (error === null) {
          assert.ok(isHarmless, `${name}: restored`);
          restored += 1;
          execFileSync('rm', ['-rf', join(work, 'here', 'tree')]);
          continue;
        }
        assert.match(error.code, DEFECTS, `${name}: ${error.message}`);
        refused += 1;
      }
      t.diagnostic(`${refused} refused, ${restored} harmless`);
    });
  }
});
