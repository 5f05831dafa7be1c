import ms, { type StringValue } from 'ms';
import { RbmResumeError } from '../errors.js';

/**
 * A span of time such as `90s`, `105m`, `2h`, in milliseconds. A number without a unit is refused: nobody knows whether
 * it means seconds or minutes.
 * @throws RbmResumeError `USAGE`
 */
export function parseDuration(text: string): number {
  const value = /^\d+(\.\d+)?\s*[a-z]+$/i.test(text)
    ? (ms(text as StringValue) as number | undefined)
    : undefined;
  if (value === undefined || !Number.isFinite(value)) {
    throw new RbmResumeError('USAGE', `not a span of time: "${text}"`, {
      hint: 'Such as 90s, 105m or 1.5h.',
    });
  }
  return value;
}

/**
 * A moment: ISO 8601 (`2026-11-22T18:30:00Z`), or `18:30`, which is the next time that the clock of this machine shows it.
 * @throws RbmResumeError `USAGE`
 */
export function parseMoment(text: string, now: Date): Date {
  const clock = /^([01]?\d|2[0-3]):([0-5]\d)$/.exec(text);
  if (clock) {
    const moment = new Date(now);
    moment.setHours(Number(clock[1]), Number(clock[2]), 0, 0);
    if (moment <= now) moment.setDate(moment.getDate() + 1);
    return moment;
  }
  const moment = new Date(text);
  if (!/^\d{4}-\d\d-\d\dT/.test(text) || Number.isNaN(moment.getTime())) {
    throw new RbmResumeError('USAGE', `not a moment: "${text}"`, {
      hint: 'Such as 18:30 or 2026-11-22T18:30:00Z.',
    });
  }
  return moment;
}
