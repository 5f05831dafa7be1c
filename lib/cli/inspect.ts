import type { Command } from 'commander';
import { printablePath } from '../rootfs/entry.js';
import type { Growth } from '../snapshot/growth.js';
import { inspectSnapshot, type InspectedSnapshot } from '../snapshot/inspect.js';
import { openStore } from '../snapshot/open-store.js';
import { findStore } from './find-store.js';
import { formatBytes, formatDuration, printJson, printLine, printTable } from './output.js';

export function registerInspect(program: Command): void {
  program
    .command('inspect')
    .description('what a snapshot is made of')
    .argument('<hash>', 'the first digits of a project hash, with @GENERATION for an older one')
    .option('--json', 'print as JSON')
    .action(async (name: string, flags: { json?: true }, command: Command) => {
      const store = await findStore(command.optsWithGlobals<{ store?: string }>().store);
      const inspected = await inspectSnapshot(await openStore(store).open(name));
      if (flags.json) return printJson({ store, ...inspected, grew: printableGrowth(inspected.grew) });
      printSnapshot(inspected);
    });
}

function printSnapshot(one: InspectedSnapshot): void {
  const rows: [string, string][] = [
    ['project', [one.project, one.version].filter((text) => text !== null).join(' ')],
    ['hash', `${one.hash}@${one.generation}`],
    ['step', one.step ?? '-'],
    ['targets', one.targets.join(', ') || '-'],
    ['created', one.createdAt],
    ['digest', one.digest],
    ['name', one.ref ?? '-'],
    ['in the store', formatBytes(one.size)],
    ['tree', `${one.entries} entries, ${formatBytes(one.bytes)}`],
  ];
  rows.forEach(([key, value]) => printLine(`${`${key}:`.padEnd(14)}${value}`));
  one.legs.forEach(({ seconds, stoppedIn, place }, number) =>
    printLine(
      `${`leg ${number + 1}:`.padEnd(14)}${formatDuration(seconds * 1000)}, stopped in ${stoppedIn ?? 'no script'}${place === null ? '' : `, ${place}`}`,
    ),
  );
  printLine('');
  printTable(
    ['LAYER', 'DIGEST', 'SIZE', 'UNPACKED', 'ENTRIES', 'WHITEOUTS', ''],
    one.layers.map((layer) => [
      String(layer.number),
      layer.digest.slice(0, 19),
      formatBytes(layer.size),
      layer.diffSize === null ? '?' : formatBytes(layer.diffSize),
      String(layer.entries),
      String(layer.whiteouts),
      [layer.isBase ? 'base' : '', layer.isPresent ? '' : 'not in the store'].filter(Boolean).join(', '),
    ]),
  );
  printLine('');
  printLine('What the newest layer holds:');
  printGrowth(one.grew, 0);
}

function printGrowth({ path, bytes, files, directories }: Growth, depth: number): void {
  const size = formatBytes(bytes).padStart(10);
  printLine(`${size}  ${'  '.repeat(depth)}/${printablePath(path)} (${files} files)`);
  directories.forEach((directory) => printGrowth(directory, depth + 1));
}

const printableGrowth = (growth: Growth): Growth => ({
  ...growth,
  path: printablePath(growth.path),
  directories: growth.directories.map(printableGrowth),
});
