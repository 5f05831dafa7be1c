import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { exportSnapshots } from '../../lib/snapshot/export.js';
import { quarantine } from '../../lib/snapshot/drop.js';
import { openStore } from '../../lib/snapshot/open-store.js';
import { openListed, tellingFirstReplacement } from '../../lib/snapshot/replaced.js';
import { restoreTree } from '../../lib/snapshot/restore.js';
import type { Snapshot } from '../../lib/snapshot/snapshot.js';
import { verifyStore } from '../../lib/snapshot/verify.js';
import { openBlob } from '../../lib/store/blobs.js';
import { collectGarbage } from '../../lib/store/gc.js';
import { storePaths, type StorePaths } from '../../lib/store/paths.js';
import { flipByte, HASH, makeSmall, root, type Small } from './small-snapshots.js';

describe('a snapshot that is replaced while somebody reads it', { timeout: 300_000 }, () => {
  let small: Small;
  let paths: StorePaths;
  let old: Snapshot;
  let newest: Snapshot;
  before(async () => {
    small = await makeSmall();
    paths = storePaths(small.store);
    const save = async (content: string) => {
      await small.change(`echo ${content} > made`);
      // Each holds everything, so that nothing of the first is part of the others.
      return small.save({ base: null, baseline: null, parent: null });
    };
    old = await save('first');
    await save('second');
    newest = await save('third');
    await collectGarbage(paths);
  });
  const REPLACED = { code: 'NO_SUCH_SNAPSHOT', message: `the snapshot ${HASH}@1 was replaced meanwhile` };

  it('is told as that to whoever opens or restores it, and nothing is left behind', async () => {
    await assert.rejects(openListed(paths, old.entry), REPLACED);
    const dir = join(root, 'restored');
    await assert.rejects(restoreTree(old, { dir }), REPLACED);
    assert.deepEqual(
      readdirSync(root).filter((name) => name.startsWith('restored')),
      [],
    );
    const [layer] = old.layers;
    const open = () => openBlob(paths, layer!.descriptor);
    await assert.rejects(tellingFirstReplacement(paths, [newest.entry, old.entry], open), REPLACED);
  });

  it('is not put into quarantine, and what is there now is sound', async () => {
    await quarantine(paths, old.entry, 'it could not be read');
    assert.ok(!existsSync(paths.quarantineRoot));
    assert.deepEqual((await verifyStore(small.store, { readData: true })).findings, []);
    const names = (await openStore(small.store).list()).map(({ generation }) => generation);
    assert.deepEqual(names, [2, 3]);
    await exportSnapshots(small.store, join(root, 'exported'));
  });

  it('is another thing than one that is damaged', async () => {
    const { digest } = newest.layers[0]!.descriptor;
    flipByte(join(paths.blobs, digest.slice(7)));
    await assert.rejects(restoreTree(newest, { dir: join(root, 'damaged') }), { code: 'DAMAGED_BLOB' });
    await quarantine(paths, newest.entry, 'it is damaged');
    assert.deepEqual(readdirSync(paths.quarantineRoot), [`${HASH}@3-${newest.digest.slice(7, 23)}.json`]);
  });
});
