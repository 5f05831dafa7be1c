import type { RunResult } from '../container/run-result.js';
import { isProjectHash } from '../digest.js';
import { pushSnapshot, type PushedSnapshot } from '../registry/push.js';
import type { Remote } from '../registry/remote.js';
import type { Signing } from '../trust/sign.js';
import { printNote } from './output.js';
import { packOptions } from './pack.js';
import { describePack, packWithProgress, type PackReport } from './pack-all.js';
import { describePush } from './push.js';

/** What of a run is ready for the next machine. */
export interface Carried {
  readonly packed: readonly PackReport[];
  readonly pushed: readonly PushedSnapshot[];
  readonly failures: readonly unknown[];
}

export const NOTHING_CARRIED: Carried = { packed: [], pushed: [], failures: [] };

/** Packs what a run has kept, and pushes it where there is a registry; one that fails does not cost the others. */
export async function carryKeptOf(
  result: RunResult,
  flags: Parameters<typeof packOptions>[0],
  by: { readonly signing: Signing | null; readonly remote: Remote | null },
): Promise<Carried> {
  const packed: PackReport[] = [];
  const pushed: PushedSnapshot[] = [];
  const failures: unknown[] = [];
  for (const { kept, hash, store } of result.containers) {
    if (!kept || hash === null || !isProjectHash(hash)) continue;
    try {
      const options = await packOptions(flags, store, by.signing);
      const report = await packWithProgress(store, hash, options);
      packed.push(report);
      printNote(describePack(report));
      if (by.remote === null) continue;
      const { trust } = options;
      const one = await pushSnapshot(store, `${hash}@${report.generation}`, { remote: by.remote, trust });
      pushed.push(one);
      printNote(describePush(one));
    } catch (error) {
      failures.push(error);
    }
  }
  return { packed, pushed, failures };
}
