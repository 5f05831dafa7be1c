import { readFile } from 'node:fs/promises';
import { systemErrorCode } from './errors.js';

/** The unit of /proc/PID/stat; Linux has the same for all programs. Source: time(7), "The software clock". */
const TICKS_PER_SECOND = 100;

/**
 * The seconds of processor time, user and system, that a process and all the children that it has waited for have used;
 * `null` when there is no such process. Source: proc_pid_stat(5), fields 14 to 17.
 */
export async function readCpuSeconds(pid: number): Promise<number | null> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
    return ticks / TICKS_PER_SECOND;
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes(systemErrorCode(error) ?? '')) return null;
    throw error;
  }
}

/**
 * The seconds in what the shell's `times` prints: its own user and system time, then its children's.
 * `null` for any other text. Source: times(1p), bash(1).
 */
export function parseTimes(text: string): number | null {
  const seconds = secondsIn(text);
  return seconds.length === 4 ? sum(seconds) : null;
}

/**
 * The seconds of processor time that a script has used, by what remote-exec notes in `live/ID/times`: the script's name,
 * `times` before it, and `times` after it. `null` while it runs, and for another script.
 */
export function parseScriptTimes(text: string, name: string): number | null {
  if (!text.startsWith(`${name}\n`)) return null;
  const seconds = secondsIn(text.slice(name.length));
  return seconds.length === 8 ? toMilliseconds(sum(seconds.slice(4)) - sum(seconds.slice(0, 4))) : null;
}

const secondsIn = (text: string): number[] =>
  [...text.matchAll(/(\d+)m(\d+)[.,](\d+)s/g)].map(
    ([, minutes, seconds, part]) => 60 * Number(minutes) + Number(`${seconds}.${part}`),
  );

const sum = (seconds: readonly number[]): number =>
  toMilliseconds(seconds.reduce((total, one) => total + one, 0));

/** Seconds without the tail of digits that adding them leaves. */
export const toMilliseconds = (seconds: number): number => Math.round(seconds * 1000) / 1000;
