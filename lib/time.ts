/** A day, in milliseconds. */
export const DAY_MS = 86_400_000;

/** The seconds from a time of ISO 8601 to `end`; 0 where a clock was put back between. */
export const secondsFrom = (start: string, end: Date): number =>
  Math.max(0, (end.getTime() - Date.parse(start)) / 1000);
