import { createRequire } from 'node:module';
import type CliProgress from 'cli-progress';
import type { SingleBar } from 'cli-progress';
import type { SnapshotProgress } from '../snapshot/progress.js';
import { formatBytes, formatDuration, printNote } from './output.js';

/** What takes less than this is not shown, in milliseconds. */
const SHOWN_AFTER_MS = 1000;

/**
 * Runs `work` and tells on standard error how far it has come: with a bar on a terminal, with one line a stage in a log.
 * A stage that ends within a second is not told of.
 */
export async function withProgress<T>(
  work: (onProgress: (progress: SnapshotProgress) => void) => Promise<T>,
): Promise<T> {
  const display = process.stderr.isTTY ? new BarDisplay() : new LineDisplay();
  let what: SnapshotProgress['what'] | null = null;
  try {
    return await work((progress) => {
      if (progress.what !== what) display.begin(progress);
      else display.update(progress);
      ({ what } = progress);
    });
  } finally {
    display.end();
  }
}

/** How far a stage has come, in words: bytes, entries, rate, and the time left where it can be told. */
export function describeProgress(progress: SnapshotProgress, elapsedMs: number): string {
  const { what, bytes, entries, totalBytes } = progress;
  const parts = [];
  if (bytes > 0 || totalBytes !== null)
    parts.push(
      totalBytes === null ? formatBytes(bytes) : `${formatBytes(bytes)} of ${formatBytes(totalBytes)}`,
    );
  if (entries > 0) parts.push(`${entries} entries`);
  if (bytes > 0 && elapsedMs > 0) parts.push(`${formatBytes(Math.round((bytes / elapsedMs) * 1000))}/s`);
  if (totalBytes !== null && bytes > 0 && bytes < totalBytes)
    parts.push(`${formatDuration(Math.ceil((elapsedMs * (totalBytes - bytes)) / bytes / 1000) * 1000)} left`);
  return parts.length === 0 ? what : `${what}: ${parts.join(', ')}`;
}

class LineDisplay {
  #timer: NodeJS.Timeout | undefined;

  begin({ what }: SnapshotProgress): void {
    this.end();
    this.#timer = setTimeout(() => printNote(`${what} ...`), SHOWN_AFTER_MS);
  }

  update(): void {}

  end(): void {
    clearTimeout(this.#timer);
  }
}

class BarDisplay {
  #bar: SingleBar | null = null;
  #since = 0;
  #latest: SnapshotProgress | null = null;

  begin(progress: SnapshotProgress): void {
    this.end();
    this.#since = Date.now();
    this.update(progress);
  }

  update(progress: SnapshotProgress): void {
    this.#latest = progress;
    if (this.#bar === null && Date.now() - this.#since < SHOWN_AFTER_MS) return;
    this.#bar ??= this.#start(progress);
    this.#bar.update(Math.min(progress.bytes, progress.totalBytes ?? 0));
  }

  end(): void {
    this.#bar?.stop();
    this.#bar = null;
  }

  #start({ totalBytes }: SnapshotProgress): SingleBar {
    // Loaded only for terminals.
    const cliProgress = createRequire(import.meta.url)('cli-progress') as typeof CliProgress;
    const bar = new cliProgress.SingleBar({
      stream: process.stderr,
      clearOnComplete: true,
      hideCursor: true,
      fps: 5,
      format: (options, { progress }) => {
        const text = this.#latest === null ? '' : describeProgress(this.#latest, Date.now() - this.#since);
        return totalBytes === null ? text : `${cliProgress.Format.BarFormat(progress, options)} ${text}`;
      },
    });
    bar.start(totalBytes ?? 0, 0);
    return bar;
  }
}
