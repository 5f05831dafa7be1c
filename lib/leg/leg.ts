import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { RunResult } from '../container/run-result.js';
import { isProjectHash } from '../digest.js';
import { messageOf, RbmResumeError } from '../errors.js';
import { readPlainFile } from '../plain-file.js';
import { importSnapshots } from '../snapshot/import.js';
import type { ImportedSnapshots } from '../snapshot/take-in.js';
import { writeJsonDurably } from '../store/atomic-write.js';
import { storePaths } from '../store/paths.js';
import { readKeptRecord, workSeconds } from '../store/record.js';
import type { Trust } from '../trust/judge.js';
import { LEG_TIMES_FORMAT, parseLegTimes, reserveMs, type LegTimes } from './reserve.js';

/** The folder that a CI service carries from leg to leg, in two parts, since the second is about the carrying of the first. */
export const legPaths = (dir: string) => ({
  /** An export. */
  snapshots: join(dir, 'snapshots'),
  /** The export of this leg, until it is whole; see `leaveExport`. */
  next: join(dir, 'snapshots.next'),
  /** What it takes the place of. */
  last: join(dir, 'snapshots.last'),
  state: join(dir, 'state'),
  times: join(dir, 'state', 'times.json'),
  /** When the service began to carry `snapshots` away, and when it was through: `date +%s`, by steps of the job. */
  uploadBegan: join(dir, 'state', 'upload-began'),
  uploadEnded: join(dir, 'state', 'upload-ended'),
});

export interface LegStart {
  /** When the service began to count. */
  readonly startedAt: Date;
  /** How long it lets the job run from then, in milliseconds. */
  readonly limitMs: number;
  /** @default 0; see `ReserveOptions` */
  readonly stalledLegs?: number;
  readonly now?: Date;
}

export interface LegPlan {
  readonly deadline: Date;
  /** How long before the end of the job that is, in milliseconds. */
  readonly reserveMs: number;
  /** What the leg before has left; `null`: this is the first one, or nothing can be read of it. */
  readonly before: LegTimes | null;
}

/**
 * When a leg has to be interrupted. Where nobody has measured the upload, the time from the start of the job until now stands
 * for it: what is carried away was fetched before, in about that time.
 */
export async function planLeg(dir: string, start: LegStart): Promise<LegPlan> {
  const { startedAt, limitMs, stalledLegs = 0, now = new Date() } = start;
  const paths = legPaths(dir);
  const before = parseLegTimes((await readText(paths.times)) ?? '');
  const [began, ended] = [await readStamp(paths.uploadBegan), await readStamp(paths.uploadEnded)];
  const measured = began === null || ended === null || ended < began ? null : ended - began;
  const fetched = before === null ? null : Math.max(0, now.getTime() - startedAt.getTime());
  const packMs = before === null ? null : before.packSeconds * 1000;
  const reserve = reserveMs({ limitMs, packMs, uploadMs: measured ?? fetched, stalledLegs });
  return { deadline: new Date(startedAt.getTime() + limitMs - reserve), reserveMs: reserve, before };
}

/** What is taken over from the leg before; `trouble` says why nothing is, which costs a clean build and nothing else. */
export async function takeOver(
  store: string,
  dir: string,
  trust: Trust,
): Promise<{ readonly imported: ImportedSnapshots | null; readonly trouble: string | null }> {
  const { snapshots, next, last } = legPaths(dir);
  let trouble: string | null = null;
  // A leg that was killed may have left only what was about to be put in its place.
  for (const from of [snapshots, next, last]) {
    try {
      return { imported: await importSnapshots(store, from, { trust }), trouble: null };
    } catch (error) {
      const isNone = error instanceof RbmResumeError && error.code === 'NO_EXPORT';
      if (!isNone) trouble ??= messageOf(error);
    }
  }
  return { imported: null, trouble };
}

export interface LegEnd {
  /** `failed`: the build did, and another leg would, too. */
  readonly outcome: 'finished' | 'interrupted' | 'failed';
  /** Whether it has brought the build on: another leg that does not is one too many some day. */
  readonly progress: boolean;
}

/** How a leg ended. `isKept`: what was to be kept was packed and written for the next one. */
export function judgeLeg(of: {
  readonly result: RunResult;
  readonly before: LegTimes | null;
  readonly workSeconds: number;
  readonly isKept: boolean;
}): LegEnd {
  const { result, before, isKept } = of;
  // Where all was built before, nothing is brought on.
  if (result.outcome === 'finished') return { outcome: 'finished', progress: result.containers.length > 0 };
  const hasFinishedOne = result.containers.some(({ outcome }) => outcome === 'succeeded');
  if (result.outcome === 'failed') return { outcome: 'failed', progress: hasFinishedOne };
  const hasGrown = isKept && of.workSeconds > (before?.workSeconds ?? 0);
  return { outcome: 'interrupted', progress: hasFinishedOne || hasGrown };
}

/** How long the legs of what a run has kept have worked together, in seconds. */
export async function workOf({ containers }: RunResult): Promise<number> {
  let sum = 0;
  for (const { kept, hash, store } of containers) {
    if (!kept || hash === null || !isProjectHash(hash)) continue;
    const record = await readKeptRecord(storePaths(store).parked(hash).record).catch(() => null);
    if (record !== null) sum += workSeconds(record);
  }
  return sum;
}

/** Writes down what the next leg has to know. */
export async function leaveTimes(dir: string, times: Omit<LegTimes, 'format'>): Promise<void> {
  await mkdir(legPaths(dir).state, { recursive: true });
  await writeJsonDurably(legPaths(dir).times, { format: LEG_TIMES_FORMAT, ...times });
}

/** A moment as `date +%s` wrote it, in milliseconds. */
async function readStamp(path: string): Promise<number | null> {
  const text = (await readText(path))?.trim() ?? '';
  return /^\d{1,12}$/.test(text) ? Number(text) * 1000 : null;
}

/** As text; what a cache brings may be anything. */
const readText = async (path: string): Promise<string | null> =>
  (await readPlainFile(path, MOST_BYTES))?.toString() ?? null;

const MOST_BYTES = 4096;
