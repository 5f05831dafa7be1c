import * as v from 'valibot';

const seconds = v.pipe(v.number(), v.finite(), v.minValue(0));

const timesSchema = v.strictObject({
  format: v.literal('org.rbm-resume.leg-times.v1'),
  /** From the end of rbm until the export was written. */
  packSeconds: seconds,
  /** What all legs of what was kept have worked, in seconds: more than last time is progress. */
  workSeconds: seconds,
});

/** What one leg tells the next, by way of the cache. */
export type LegTimes = v.InferOutput<typeof timesSchema>;

export const LEG_TIMES_FORMAT = 'org.rbm-resume.leg-times.v1';

/** What an earlier leg has written, or `null`: it comes from a cache, so anything may stand there. */
export function parseLegTimes(text: string): LegTimes | null {
  try {
    const result = v.safeParse(timesSchema, JSON.parse(text));
    return result.success ? result.output : null;
  } catch {
    return null;
  }
}

export interface ReserveOptions {
  /** How long the service lets a job run, in milliseconds. */
  readonly limitMs: number;
  /** How long packing and exporting took last time, in milliseconds; `null`: not known. */
  readonly packMs: number | null;
  /** How long the service took to carry the export away last time, in milliseconds; `null`: not known. */
  readonly uploadMs: number | null;
  /** How many legs in a row have come to nothing, such as one that was killed before its upload was through. */
  readonly stalledLegs: number;
}

const MINUTE = 60_000;

/** What is kept grows from leg to leg, and machines are not equally fast. */
const GROWTH = 1.5;

/**
 * How long before the end of its job a leg has to be interrupted, in milliseconds, so that what it keeps can be packed and
 * carried away: half more than the last time, and two minutes; a sixth of the limit where nobody has measured it. It doubles with each leg
 * that came to nothing, and is at most half the limit: a job that builds nothing helps nobody.
 */
export function reserveMs(options: ReserveOptions): number {
  const { limitMs, packMs, uploadMs, stalledLegs } = options;
  const unknown = Math.min(limitMs / 6, 45 * MINUTE);
  const measured =
    packMs === null || uploadMs === null
      ? Math.max(unknown, GROWTH * ((packMs ?? 0) + (uploadMs ?? 0)))
      : GROWTH * (packMs + uploadMs);
  const margin = Math.min(2 * MINUTE, limitMs / 20);
  return Math.min((measured + margin) * 2 ** Math.min(stalledLegs, 10), limitMs / 2);
}
