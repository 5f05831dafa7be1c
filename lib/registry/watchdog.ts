import { readFile } from 'node:fs/promises';

/** Where the kernel does not tell what a process reads and writes, it may take so long altogether, in milliseconds. */
const BLIND_LIMIT_MS = 3_600_000;

/**
 * Calls `onStall` once a process has neither read nor written anything for `stallMs`. Stop it by the signal.
 * Source: proc_pid_io(5), rchar and wchar.
 */
export function watchProgress(
  pid: number,
  how: { readonly stallMs: number; readonly over: AbortSignal; readonly onStall: () => void },
): void {
  const since = Date.now();
  let [movedAt, moved] = [since, ''];
  const look = async () => {
    const counts = await readFile(`/proc/${pid}/io`, 'latin1').then(
      (text) => (text.match(/^[rw]char: \d+$/gm) ?? []).join(' '),
      () => '',
    );
    if (how.over.aborted) return;
    const isBlind = counts === '' && moved === '';
    if (counts !== moved) [movedAt, moved] = [Date.now(), counts];
    const hasStalled = isBlind
      ? Date.now() - since > Math.max(BLIND_LIMIT_MS, how.stallMs)
      : Date.now() - movedAt > how.stallMs;
    if (hasStalled) how.onStall();
  };
  const timer = setInterval(() => void look(), Math.min(5_000, how.stallMs / 4));
  how.over.addEventListener('abort', () => clearInterval(timer), { once: true });
}
