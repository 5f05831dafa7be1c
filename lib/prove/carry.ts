import { rm } from 'node:fs/promises';
import { isProjectHash } from '../digest.js';
import type { RunEvent } from '../container/run-directory.js';
import { removeTree } from '../rootfs/move-tree.js';
import { exportSnapshots } from '../snapshot/export.js';
import { importSnapshots } from '../snapshot/import.js';
import { packKept } from '../snapshot/pack.js';

/**
 * Takes what a leg has kept to a store that was not there before, the way it goes to another machine: packed, exported,
 * imported. The old store is removed with the parked tree in it, so that nothing else can be gone on with.
 */
export async function carryToNewStore(
  event: RunEvent,
  to: { readonly exportDir: string; readonly store: string },
): Promise<void> {
  const { hash, store } = event;
  if (hash === null || !isProjectHash(hash))
    throw new Error(`a build was kept without a hash: ${event.container}`);
  await packKept(store, hash);
  await exportSnapshots(store, to.exportDir);
  await importSnapshots(to.store, to.exportDir);
  await removeTree(store);
  await rm(to.exportDir, { recursive: true });
}
