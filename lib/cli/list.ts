import type { Command } from 'commander';
import { messageOf, RbmResumeError } from '../errors.js';
import { listKept, sizeOfKept, type Kept, type KeptSize } from '../snapshot/kept.js';
import { listSnapshots } from '../snapshot/open-store.js';
import { Snapshot, type SnapshotEntry } from '../snapshot/snapshot.js';
import { allFailedTries } from '../store/ledger.js';
import { storePaths, type StorePaths } from '../store/paths.js';
import { workSeconds, type SnapshotRecord } from '../store/record.js';
import { findStore } from './find-store.js';
import { formatAge, formatBytes, formatDuration, printJson, printLine, printTable } from './output.js';

export function registerList(program: Command): void {
  program
    .command('list')
    .description('what is kept: parked on this machine, and as snapshots')
    .option('--json', 'print as JSON')
    .option('--no-size', 'do not measure the trees')
    .action(async (flags: { json?: true; size: boolean }, command: Command) => {
      const store = await findStore(command.optsWithGlobals<{ store?: string }>().store);
      const kept = await Promise.all(
        (await listKept(store)).map(async (one) => ({
          ...one,
          // A tree that is being taken away while it is measured has no size.
          size: flags.size ? await sizeOfKept(one).catch(() => null) : null,
        })),
      );
      const paths = storePaths(store);
      const snapshots = await Promise.all(
        (await listSnapshots(paths)).map((entry) => readSnapshot(paths, entry)),
      );
      if (flags.json) return printJson({ store, kept, snapshots });
      if (kept.length + snapshots.length === 0) return printLine('nothing is kept');
      printTable(
        ['PROJECT', 'HASH', 'STATE', 'GEN', 'AGE', 'SIZE', 'LEGS', 'WORK', 'STOPPED IN', 'FAILED TRIES'],
        [...kept.map(rowOfKept), ...snapshots.map(rowOfSnapshot)],
      );
      for (const { hash, trouble } of [...kept, ...snapshots])
        if (trouble !== null) printLine(`${hash.slice(0, 16)}: ${trouble}`);
    });
}

const describeStop = (leg: SnapshotRecord['legs'][number] | undefined): string =>
  [leg?.stoppedIn ?? '-', ...(leg?.place == null ? [] : [leg.place])].join(', ');

/** A snapshot as the command lists it. */
interface ListedSnapshot {
  readonly hash: string;
  readonly state: 'snapshot';
  readonly generation: number;
  readonly digest: string;
  readonly ref: string | null;
  readonly project: string;
  /** Bytes of its layers in the store, those that it shares with others too; `null` when its manifest can't be read. */
  readonly size: number | null;
  readonly layers: number | null;
  readonly record: SnapshotRecord | null;
  readonly trouble: string | null;
  readonly failedTries: number;
}

async function readSnapshot(paths: StorePaths, entry: SnapshotEntry): Promise<ListedSnapshot> {
  const { hash, generation, digest, ref, project } = entry;
  const tries = await allFailedTries(paths, hash);
  const known = { hash, state: 'snapshot', generation, digest, ref, project, failedTries: tries } as const;
  try {
    const snapshot = await Snapshot.open(paths, entry);
    const { record, size } = snapshot;
    return { ...known, size, layers: snapshot.layers.length, record, trouble: null };
  } catch (error) {
    if (!(error instanceof RbmResumeError)) throw error;
    return { ...known, size: null, layers: null, record: null, trouble: messageOf(error) };
  }
}

const rowOfKept = (one: Kept & { readonly size: KeptSize | null }): string[] => [
  one.record?.project ?? '?',
  one.hash.slice(0, 16),
  one.state,
  '-',
  ...cellsOfRecord(one.record, one.size?.bytes ?? null),
  String(one.failedTries),
];

const rowOfSnapshot = (one: ListedSnapshot): string[] => [
  one.project,
  one.hash.slice(0, 16),
  one.state,
  String(one.generation),
  ...cellsOfRecord(one.record, one.size),
  String(one.failedTries),
];

const cellsOfRecord = (
  record: Pick<SnapshotRecord, 'parkedAt' | 'legs'> | null,
  size: number | null,
): string[] => [
  record === null ? '?' : formatAge(record.parkedAt),
  size === null ? '-' : formatBytes(size),
  String(record?.legs.length ?? '?'),
  record === null ? '?' : formatDuration(workSeconds(record) * 1000),
  describeStop(record?.legs.at(-1)),
];
