import { readFile } from 'node:fs/promises';

/** Where the kernel does not tell what a process reads and writes, it may take so long altogether, in milliseconds. */
const BLIND_LIMIT_MS = 3_600_000;

/**
 * Fewer bytes than these do not count as movement: a program that only waits still wakes its own threads through a pipe or an
 * eventfd, skopeo by some 100 bytes a second at most.
 */
export const LEAST_PROGRESS_BYTES = 65_536;

/**
 * Calls `onStall` once a process has read and written fewer than {@link LEAST_PROGRESS_BYTES} in `stallMs`. Stop it by the signal.
 * Source: proc_pid_io(5), rchar and wchar.
 */
export function watchProgress(
  pid: number,
  how: { readonly stallMs: number; readonly over: AbortSignal; readonly onStall: () => void },
): void {
  const since = Date.now();
  let [movedAt, moved, isBlind] = [since, 0, true];
  const look = async () => {
    const bytes = await readMovedBytes(pid);
    if (how.over.aborted) return;
    if (bytes !== null) isBlind = false;
    if (bytes !== null && bytes - moved >= LEAST_PROGRESS_BYTES) [movedAt, moved] = [Date.now(), bytes];
    const hasStalled = isBlind
      ? Date.now() - since > Math.max(BLIND_LIMIT_MS, how.stallMs)
      : Date.now() - movedAt > how.stallMs;
    if (hasStalled) how.onStall();
  };
  const timer = setInterval(() => void look(), Math.min(5_000, how.stallMs / 4));
  how.over.addEventListener('abort', () => clearInterval(timer), { once: true });
}

/** `null` where the kernel does not tell. */
async function readMovedBytes(pid: number): Promise<number | null> {
  const text = await readFile(`/proc/${pid}/io`, 'latin1').catch(() => '');
  const counts = [...text.matchAll(/^[rw]char: (\d+)$/gm)].map(([, bytes]) => Number(bytes));
  return counts.length === 2 ? counts.reduce((sum, bytes) => sum + bytes, 0) : null;
}
