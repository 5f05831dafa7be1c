import type { Command } from 'commander';
import { exportSnapshots } from '../snapshot/export.js';
import { listKept } from '../snapshot/kept.js';
import { findStore } from './find-store.js';
import { formatBytes, printJson, printLine, printNote } from './output.js';
import { parseSize } from './size.js';
import { describeSnapshot, plain, showingProgress, toJson } from './transfer.js';

interface ExportFlags {
  readonly maxPartSize: string;
  readonly withoutBase?: true;
  readonly allGenerations?: true;
  readonly json?: true;
}

export function registerExport(program: Command): void {
  program
    .command('export')
    .description('copy snapshots to a directory of files of limited size, for the cache or artifacts of a CI')
    .argument('<dir>', 'a directory that is empty, does not exist, or holds an earlier export')
    .argument('[hash...]', 'project hashes or their first digits, with @GENERATION for one (default: all)')
    .option('--max-part-size <size>', 'no file is larger, such as 400M, 2G or 500MB', '400M')
    .option('--without-base', 'leave the container images out: whoever restores has to bring the same')
    .option('--all-generations', 'not only the newest snapshot of each hash')
    .option('--json', 'print as JSON')
    .action(async (dir: string, names: string[], ...[flags, command]: [ExportFlags, Command]) => {
      const store = await findStore(command.optsWithGlobals<{ store?: string }>().store);
      const maxPartSize = parseSize(flags.maxPartSize);
      const exported = await showingProgress((onProgress) =>
        exportSnapshots(store, dir, {
          names,
          maxPartSize,
          allGenerations: flags.allGenerations ?? false,
          withoutBase: flags.withoutBase ?? false,
          onProgress,
        }),
      );
      const { snapshots, blobs, parts, bytes, absent } = exported;
      if (flags.json) return printJson({ store, ...exported, snapshots: snapshots.map(toJson) });
      snapshots.forEach((entry) => printLine(`exported ${describeSnapshot(entry)}`));
      absent.forEach((digest) => printLine(`left out ${digest}`));
      if (snapshots.length === 0) {
        for (const { hash, record } of (await listKept(store)).filter(({ state }) => state === 'parked')) {
          const what = `${plain(record?.project ?? 'a build')} ${hash.slice(0, 16)}`;
          printNote(`${what} is parked, and not packed: \`rbm-resume pack --all\` makes a snapshot of it`);
        }
      }
      printLine(
        snapshots.length === 0
          ? `there are no snapshots: ${dir} holds an empty export`
          : `${formatBytes(bytes)}, ${blobs} blobs in ${parts} parts, in ${dir}`,
      );
    });
}
