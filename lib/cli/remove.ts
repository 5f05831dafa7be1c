import type { Command } from 'commander';
import { removeKept } from '../snapshot/kept.js';
import { findStore } from './find-store.js';
import { printJson, printLine } from './output.js';

export function registerRemove(program: Command): void {
  program
    .command('remove')
    .description('remove what is kept under a project hash')
    .argument('<hash...>', 'project hashes, or their first digits')
    .option('--json', 'print as JSON')
    .action(async (hashes: string[], flags: { json?: true }, command: Command) => {
      const store = await findStore(command.optsWithGlobals<{ store?: string }>().store);
      const removed = [];
      for (const hash of hashes) {
        const kept = await removeKept(store, hash);
        removed.push(kept.hash);
        if (!flags.json) printLine(`removed ${kept.hash} (${kept.record?.project ?? 'without a record'})`);
      }
      if (flags.json) printJson({ store, removed });
    });
}
