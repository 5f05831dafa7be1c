import { listLive } from '../store/live.js';
import { storePaths } from '../store/paths.js';
import type { LiveRecord } from '../store/record.js';

/** A container in which rbm builds now. */
export interface Building {
  readonly id: string;
  readonly record: LiveRecord;
  /** The script that runs in it, `null` between two scripts. */
  readonly running: string | null;
}

/** What is being built now with the store at `store`; containers of killed runs are no longer. */
export async function listBuilding(store: string): Promise<Building[]> {
  const live = await listLive(storePaths(store));
  return live.flatMap(({ id, record, running, isOwnerAlive }) =>
    record !== null && isOwnerAlive ? [{ id, record, running }] : [],
  );
}
