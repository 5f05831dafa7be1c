import type { Command } from 'commander';
import { printablePath } from '../rootfs/entry.js';
import { diffSnapshots, type SnapshotDifference } from '../snapshot/diff.js';
import { openStore } from '../snapshot/open-store.js';
import { findStore } from './find-store.js';
import { printJson } from './output.js';
import { writeOut } from './write-out.js';

const SIGN = { added: '+', removed: '-', changed: '~' } as const;

export function registerDiff(program: Command): void {
  program
    .command('diff')
    .description('what is otherwise in the second snapshot than in the first')
    .argument('<a>', 'the first digits of a project hash, with @GENERATION for an older one')
    .argument('<b>', 'another one')
    .option('--json', 'print as JSON; in paths what is not printable is escaped')
    .action(async (a: string, b: string, ...[flags, command]: [{ json?: true }, Command]) => {
      const store = openStore(await findStore(command.optsWithGlobals<{ store?: string }>().store));
      const [first, second] = [await store.open(a), await store.open(b)];
      const differences = diffSnapshots(first, second);
      if (!flags.json) return writeOut(formatLines(differences));
      const all = [];
      for await (const { path, kind, what, ...sides } of differences) {
        const [before, after] = [sides.a?.meta ?? null, sides.b?.meta ?? null];
        all.push({ path: printablePath(path), kind, what, a: before, b: after });
      }
      printJson({ store: store.paths.root, a: nameOf(first), b: nameOf(second), differences: all });
    });
}

const nameOf = ({ hash, generation }: { hash: string; generation: number }): string =>
  `${hash}@${generation}`;

async function* formatLines(differences: AsyncIterable<SnapshotDifference>): AsyncGenerator<Buffer> {
  for await (const { path, kind, what } of differences) {
    const fields = what.length === 0 ? '' : ` (${what.join(', ')})`;
    yield Buffer.from(`${SIGN[kind]} ${path === '' ? '/' : printablePath(path)}${fields}\n`);
  }
}
