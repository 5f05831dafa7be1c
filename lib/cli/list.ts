import type { Command } from 'commander';
import { listKept, sizeOfKept } from '../snapshot/kept.js';
import { workSeconds } from '../store/record.js';
import { findStore } from './find-store.js';
import { formatAge, formatBytes, formatDuration, printJson, printLine, printTable } from './output.js';

export function registerList(program: Command): void {
  program
    .command('list')
    .description('what is kept')
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
      if (flags.json) return printJson({ store, kept });
      if (kept.length === 0) return printLine('nothing is kept');
      printTable(
        ['PROJECT', 'HASH', 'STATE', 'AGE', 'SIZE', 'LEGS', 'WORK', 'STOPPED IN', 'FAILED TRIES'],
        kept.map(({ hash, state, record, size, failedTries }) => [
          record?.project ?? '?',
          hash.slice(0, 16),
          state,
          record === null ? '?' : formatAge(record.parkedAt),
          size === null ? '-' : formatBytes(size.bytes),
          String(record?.legs.length ?? '?'),
          record === null ? '?' : formatDuration(workSeconds(record) * 1000),
          record?.legs.at(-1)?.stoppedIn ?? '-',
          String(failedTries),
        ]),
      );
      kept.forEach(({ hash, trouble }) => {
        if (trouble !== null) printLine(`${hash.slice(0, 16)}: ${trouble}`);
      });
    });
}
