import type { Command } from 'commander';
import { openStore } from '../snapshot/open-store.js';
import { findStore } from './find-store.js';
import { parseSnapshotPath } from './snapshot-path.js';
import { writeOut } from './write-out.js';

export function registerCat(program: Command): void {
  program
    .command('cat')
    .description('write a file of a snapshot to standard output')
    .argument('<hash>', 'the first digits of a project hash, with @GENERATION for an older one')
    .argument('<path>', 'a regular file')
    .action(async (name: string, path: string, ...[, command]: [unknown, Command]) => {
      const store = await findStore(command.optsWithGlobals<{ store?: string }>().store);
      const snapshot = await openStore(store).open(name);
      await writeOut((await snapshot.openFile(parseSnapshotPath(path))) as AsyncIterable<Buffer>);
    });
}
