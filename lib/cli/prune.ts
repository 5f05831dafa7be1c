import type { Command } from 'commander';
import { findLeftovers, pruneLeftovers } from '../container/prune.js';
import { findStore } from './find-store.js';
import { printJson, printLine } from './output.js';

export function registerPrune(program: Command): void {
  program
    .command('prune')
    .description('remove what killed runs left behind and what was set aside')
    .option('--dry-run', 'only say what would be removed')
    .option('--json', 'print as JSON')
    .action(async (flags: { dryRun?: true; json?: true }, command: Command) => {
      const store = await findStore(command.optsWithGlobals<{ store?: string }>().store);
      const leftovers = flags.dryRun ? await findLeftovers(store) : await pruneLeftovers(store);
      if (flags.json) return printJson({ store, dryRun: flags.dryRun ?? false, leftovers });
      if (leftovers.length === 0) printLine('nothing to remove');
      leftovers.forEach(({ what, path }) =>
        printLine(`${flags.dryRun ? 'would remove' : 'removed'} ${what}: ${path}`),
      );
    });
}
