import type { ProjectHash } from '../digest.js';
import { packKept, type PackOptions, type PackResult } from '../snapshot/pack.js';
import { formatBytes, formatDuration, printLine, printNote } from './output.js';
import { withProgress } from './progress.js';

/** What `--json` says of a packed tree. */
export interface PackReport {
  readonly how: PackResult['how'];
  readonly store: string;
  readonly hash: string;
  readonly generation: number;
  readonly digest: string;
  readonly project: string;
  readonly entries: number | null;
  readonly changed: number | null;
  readonly removed: number | null;
  readonly bytes: number | null;
  readonly leftOut: { readonly sockets: number; readonly devices: number };
  readonly hadParent: boolean | null;
  readonly seconds: number;
}

/** Packs what is parked under a hash, with progress; tells on standard error what could not be kept. */
export async function packWithProgress(
  store: string,
  hash: ProjectHash,
  options: Pick<PackOptions, 'compression' | 'withoutBase' | 'signing' | 'trust'>,
): Promise<PackReport> {
  const since = Date.now();
  const result = await withProgress((onProgress) => packKept(store, hash, { ...options, onProgress }));
  const { generation, digest, entry } = result.snapshot;
  const isPacked = result.how === 'packed';
  const leftOut = isPacked ? result.leftOut : { sockets: 0, devices: 0 };
  for (const [kind, count] of Object.entries(leftOut))
    if (count > 0) printNote(`${entry.project}: left out: ${count} ${kind}`);
  return {
    how: result.how,
    store,
    hash,
    generation,
    digest,
    project: entry.project,
    entries: isPacked ? result.entries : null,
    changed: isPacked ? result.changed : null,
    removed: isPacked ? result.removed : null,
    bytes: isPacked ? result.bytes : null,
    leftOut,
    hadParent: isPacked ? result.hadParent : null,
    seconds: (Date.now() - since) / 1000,
  };
}

/** One line on a packed tree. */
export function describePack(report: PackReport): string {
  const { how, hash, generation, project } = report;
  const name = `${hash.slice(0, 16)}@${generation} (${project})`;
  if (how === 'already-packed') return `already packed: ${name}`;
  const { entries, changed, removed, bytes, seconds } = report;
  return (
    `packed ${name}: ${changed} of ${entries} entries changed, ${removed} removed, ` +
    `${formatBytes(bytes ?? 0)}, ${formatDuration(seconds * 1000)}`
  );
}

/** {@link describePack} on standard output. */
export const printPack = (report: PackReport): void => printLine(describePack(report));
