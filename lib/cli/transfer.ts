import type { TransferProgress } from '../snapshot/export-format.js';
import type { SnapshotEntry } from '../snapshot/snapshot.js';
import { formatBytes } from './output.js';

/**
 * Runs `work` with what shows on the terminal how far copying has come; nothing is shown where standard error is none.
 */
export async function showingProgress<T>(
  work: (onProgress: (progress: TransferProgress) => void) => Promise<T>,
): Promise<T> {
  if (!process.stderr.isTTY) return work(() => {});
  const { default: cliProgress } = await import('cli-progress');
  const bar = new cliProgress.SingleBar({
    format: '{bar} {percentage}% of {total}',
    stream: process.stderr,
    clearOnComplete: true,
    formatValue: (value, _options, type) => (type === 'total' ? formatBytes(value) : String(value)),
  });
  try {
    return await work(({ bytes, totalBytes }) => {
      if (bar.isActive) bar.update(bytes);
      else bar.start(totalBytes, bytes);
    });
  } finally {
    bar.stop();
  }
}

/** A snapshot as the command prints it. */
export const describeSnapshot = ({ hash, generation, project }: SnapshotEntry): string =>
  `${hash.slice(0, 16)}@${generation} (${plain(project)})`;

/** Text from a file that anybody may have made, without what a terminal would obey. */
export const plain = (text: string): string => text.replace(/\p{Cc}/gu, '?');

/** A snapshot's data for `--json`. */
export const toJson = ({ hash, generation, digest, project }: SnapshotEntry) => ({
  hash,
  generation,
  digest,
  project,
});
