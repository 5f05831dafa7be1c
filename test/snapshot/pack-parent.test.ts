import assert from 'node:assert/strict';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { assertEqualTrees, expectRestored } from '../../fixtures/trees/compare-trees.js';
import { describeTree } from '../../fixtures/trees/describe-tree.js';
import { park } from '../../lib/container/park.js';
import { hexOf } from '../../lib/digest.js';
import { readIdMap } from '../../lib/id-map.js';
import { packKept } from '../../lib/snapshot/pack.js';
import { restoreSnapshot } from '../../lib/snapshot/restore.js';
import type { Snapshot } from '../../lib/snapshot/snapshot.js';
import { storePaths } from '../../lib/store/paths.js';
import { flipByte, HASH, makeSmall, recordOf } from './small-snapshots.js';

const manifestOf = ({ digest }: Snapshot) => hexOf(digest);
const listingOf = ({ layers }: Snapshot) => hexOf(layers.at(-1)!.listing!.digest);

const DAMAGES: readonly (readonly [
  what: string,
  blobOf: (parent: Snapshot) => string,
  (file: string) => void,
])[] = [
  ['manifest is damaged', manifestOf, flipByte],
  ['manifest is missing', manifestOf, (file) => rmSync(file)],
  ['listing is damaged', listingOf, flipByte],
];

describe('a pack on top of a snapshot', () => {
  for (const [what, blobOf, damage] of DAMAGES) {
    it(`whose ${what} packs everything`, async () => {
      const small = await makeSmall();
      const paths = storePaths(small.store);
      const parent = await small.save();
      const { digest, generation } = parent;
      await small.change('echo more > etc/more');
      const expected = expectRestored(await describeTree(small.rootfs));
      const live = paths.live('one');
      mkdirSync(live.dir, { recursive: true });
      const { parkedAt, legs, ...record } = recordOf(HASH);
      void parkedAt;
      await park(paths, {
        ...{ container: small.rootfs, live, inputsDir: null },
        record: {
          ...record,
          ...{ legs: [...legs, ...legs], workspace: null, container: small.rootfs, idMap: await readIdMap() },
          ...{ inputs: null, baseline: null, image: null, snapshot: { digest, generation }, jobClass: null },
        },
      });
      damage(join(paths.blobs, blobOf(parent)));
      const packed = await packKept(small.store, HASH);
      assert.ok(packed.how === 'packed' && !packed.hadParent);
      const dir = join(small.store, '..', 'restored');
      await restoreSnapshot(small.store, `${HASH}@${packed.snapshot.generation}`, { dir });
      assertEqualTrees(await describeTree(dir), expected);
    });
  }
});
