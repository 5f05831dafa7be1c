import { existsSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import * as v from 'valibot';
import type { ProjectHash } from '../digest.js';
import { systemErrorCode } from '../errors.js';
import type { StorePaths } from './paths.js';
import { readRecord } from './record.js';
import { writeSealedDurably } from './sealed-json.js';

/** So many builds may fail after a resume before what is kept under their hash is set aside. */
export const MAX_FAILED_TRIES = 2;

const ledgerSchema = v.object({
  format: v.literal(1),
  failedTries: v.record(v.string(), v.pipe(v.number(), v.integer(), v.minValue(0))),
});
type Ledger = v.InferOutput<typeof ledgerSchema>;

/** How many builds that were resumed under this hash failed since the last that succeeded or was set aside. */
export async function failedTries(paths: StorePaths, hash: ProjectHash): Promise<number> {
  return (await readLedger(paths)).failedTries[hash] ?? 0;
}

/** Adds a failed try and returns their number. To be called under the store's lock. */
export async function chargeFailedTry(paths: StorePaths, hash: ProjectHash): Promise<number> {
  const ledger = await readLedger(paths);
  const tries = (ledger.failedTries[hash] ?? 0) + 1;
  await writeSealedDurably(paths.ledger, {
    ...ledger,
    failedTries: { ...ledger.failedTries, [hash]: tries },
  });
  return tries;
}

/** Forgets the failed tries of a hash. To be called under the store's lock. */
export async function forgetFailedTries(paths: StorePaths, hash: ProjectHash): Promise<void> {
  const ledger = await readLedger(paths);
  if (!(hash in ledger.failedTries)) return;
  const others = Object.entries(ledger.failedTries).filter(([key]) => key !== hash);
  await writeSealedDurably(paths.ledger, { ...ledger, failedTries: Object.fromEntries(others) });
}

/** A ledger that can't be read counts nothing: the damaged file is moved aside, so the loss can be seen. */
async function readLedger(paths: StorePaths): Promise<Ledger> {
  if (!existsSync(paths.ledger)) return { format: 1, failedTries: {} };
  try {
    return await readRecord(paths.ledger, ledgerSchema);
  } catch {
    await rename(paths.ledger, `${paths.ledger}.damaged`).catch((error: unknown) => {
      if (systemErrorCode(error) !== 'ENOENT') throw error;
    });
    return { format: 1, failedTries: {} };
  }
}
