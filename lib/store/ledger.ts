import { existsSync } from 'node:fs';
import { mkdir, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import * as v from 'valibot';
import type { Digest, ProjectHash } from '../digest.js';
import { systemErrorCode } from '../errors.js';
import { isTroubleOfHost } from '../system-error.js';
import { namesIn } from './live.js';
import type { StorePaths } from './paths.js';
import { readRecord } from './record.js';
import { writeSealedDurably } from './sealed-json.js';

/** So many builds may fail after a resume before what is kept under their hash is set aside. */
export const MAX_FAILED_TRIES = 2;

const ledgerSchema = v.object({
  format: v.literal(1),
  failedTries: v.record(v.string(), v.pipe(v.number(), v.integer(), v.minValue(0))),
  /** Of each hash, the digests of snapshots that are not tried again. */
  givenUp: v.optional(v.record(v.string(), v.array(v.string())), {}),
});
type Ledger = v.InferOutput<typeof ledgerSchema>;

/** More snapshots of a hash that were given up are not remembered: of each hash two are kept. */
const MAX_GIVEN_UP = 16;

/**
 * Of which class a job is, as text; `null` on a person's own machine. Each class has a ledger of its own, so the tries of one are
 * never used up by another's builds.
 */
export type LedgerClass = string | null;

/** A job's class in a sentence: `of class pr/7`. */
export const tellClass = (jobClass: LedgerClass): string =>
  jobClass === null ? 'of no class' : `of class ${jobClass}`;

/** How many builds that were resumed under this hash failed since the last that succeeded or was set aside. */
export async function failedTries(
  paths: StorePaths,
  hash: ProjectHash,
  jobClass: LedgerClass = null,
): Promise<number> {
  return (await readLedger(ledgerFile(paths, jobClass))).failedTries[hash] ?? 0;
}

/** {@link failedTries} of jobs of all classes together. */
export async function allFailedTries(paths: StorePaths, hash: ProjectHash): Promise<number> {
  let sum = 0;
  for (const file of await ledgerFiles(paths)) sum += (await readLedger(file)).failedTries[hash] ?? 0;
  return sum;
}

async function ledgerFiles(paths: StorePaths): Promise<string[]> {
  const names = (await namesIn(paths.ledgersRoot)).filter((name) => name.endsWith('.json'));
  return [paths.ledger, ...names.map((name) => join(paths.ledgersRoot, name))];
}

/** Adds a failed try and returns their number. To be called under the store's lock. */
export async function chargeFailedTry(
  paths: StorePaths,
  hash: ProjectHash,
  jobClass: LedgerClass = null,
): Promise<number> {
  const ledger = await changeLedger(ledgerFile(paths, jobClass), ({ failedTries: tries }) => ({
    failedTries: { ...tries, [hash]: (tries[hash] ?? 0) + 1 },
  }));
  return ledger.failedTries[hash] ?? 0;
}

/** Forgets the failed tries of a hash. To be called under the store's lock. */
export async function forgetFailedTries(
  paths: StorePaths,
  hash: ProjectHash,
  jobClass: LedgerClass = null,
): Promise<void> {
  await changeLedger(ledgerFile(paths, jobClass), ({ failedTries: tries }) =>
    hash in tries ? { failedTries: without(tries, hash) } : null,
  );
}

/** Forgets all that the ledgers of all classes say of a hash. To be called under the store's lock. */
export async function forgetInAllLedgers(paths: StorePaths, hash: ProjectHash): Promise<void> {
  for (const file of await ledgerFiles(paths)) {
    await changeLedger(file, ({ failedTries: tries, givenUp }) =>
      hash in tries || hash in givenUp
        ? { failedTries: without(tries, hash), givenUp: without(givenUp, hash) }
        : null,
    );
  }
}

/** The snapshots of a hash that jobs of a class don't try again. */
export async function givenUp(
  paths: StorePaths,
  hash: ProjectHash,
  jobClass: LedgerClass,
): Promise<ReadonlySet<string>> {
  return new Set((await readLedger(ledgerFile(paths, jobClass))).givenUp[hash] ?? []);
}

/**
 * Has jobs of a class not try these snapshots again, which stay for others, and forgets the failed tries. To be called under the
 * store's lock.
 */
export async function giveUp(
  paths: StorePaths,
  hash: ProjectHash,
  what: { readonly jobClass: LedgerClass; readonly digests: readonly Digest[] },
): Promise<void> {
  await changeLedger(ledgerFile(paths, what.jobClass), ({ failedTries: tries, givenUp: known }) => ({
    failedTries: without(tries, hash),
    givenUp: {
      ...known,
      [hash]: [...new Set([...(known[hash] ?? []), ...what.digests])].slice(-MAX_GIVEN_UP),
    },
  }));
}

/** `pr/12` has the file `ledgers/pr%2F12.json`. */
const ledgerFile = (paths: StorePaths, jobClass: LedgerClass): string =>
  jobClass === null ? paths.ledger : join(paths.ledgersRoot, `${encodeURIComponent(jobClass)}.json`);

const without = <T>(values: Readonly<Record<string, T>>, hash: ProjectHash): Record<string, T> =>
  Object.fromEntries(Object.entries(values).filter(([key]) => key !== hash));

/** Writes what `change` gives into a ledger; `null`: it stays as it is. Returns it as it is then. */
async function changeLedger(
  file: string,
  change: (ledger: Ledger) => Partial<Ledger> | null,
): Promise<Ledger> {
  const ledger = await readLedger(file);
  const changed = change(ledger);
  if (changed === null) return ledger;
  const updated = { ...ledger, ...changed };
  const { givenUp: digests, ...rest } = updated;
  await mkdir(dirname(file), { recursive: true });
  await writeSealedDurably(file, Object.keys(digests).length === 0 ? rest : updated);
  return updated;
}

const EMPTY: Ledger = { format: 1, failedTries: {}, givenUp: {} };

/** A ledger that can't be read counts nothing: the damaged file is moved aside, so the loss can be seen. */
async function readLedger(file: string): Promise<Ledger> {
  if (!existsSync(file)) return EMPTY;
  try {
    return await readRecord(file, ledgerSchema);
  } catch (cause) {
    if (isTroubleOfHost(cause)) throw cause;
    await rename(file, `${file}.damaged`).catch((error: unknown) => {
      if (systemErrorCode(error) !== 'ENOENT') throw error;
    });
    return EMPTY;
  }
}
