import { readFile } from 'node:fs/promises';
import { systemErrorCode } from '../errors.js';

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
  const found = [...text.matchAll(/(\d+)m(\d+)[.,](\d+)s/g)];
  if (found.length !== 4) return null;
  return found.reduce(
    (sum, [, minutes, seconds, part]) => sum + 60 * Number(minutes) + Number(`${seconds}.${part}`),
    0,
  );
}
