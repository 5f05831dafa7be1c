import type { Command } from 'commander';
import { importSnapshots } from '../snapshot/import.js';
import { findStore } from './find-store.js';
import { formatBytes, printJson, printLine } from './output.js';
import { findTrust, withTrustFlags, type TrustFlags } from './trust-flags.js';
import { describeSnapshot, plain, showingProgress, toJson } from './transfer.js';

/** Why a snapshot was not taken, or had to go. */
export const REASON = {
  'already-there': 'the store has it',
  older: 'there are newer ones',
  'less-work': 'another one of that number has worked as long or longer',
} as const;

interface ImportFlags extends TrustFlags {
  readonly json?: true;
}

export function registerImport(program: Command): void {
  const command = program
    .command('import')
    .description('take the snapshots of an export into the store')
    .argument('<dir>', 'what `rbm-resume export` made')
    .option('--json', 'print as JSON');
  withTrustFlags(command).action(async (dir: string, flags: ImportFlags) => {
    const store = await findStore(command.optsWithGlobals<{ store?: string }>().store);
    const trust = await findTrust(flags, store);
    const result = await showingProgress((onProgress) => importSnapshots(store, dir, { trust, onProgress }));
    const { imported, skipped, displaced, refused, absentBases, bytes } = result;
    if (flags.json) {
      return printJson({
        store,
        imported: imported.map(toJson),
        skipped: skipped.map((entry) => ({ ...toJson(entry), why: entry.why })),
        displaced: displaced.map((entry) => ({ ...toJson(entry), why: entry.why })),
        refused: refused.map((entry) => ({ ...toJson(entry), reason: entry.reason })),
        absentBases,
        bytes,
      });
    }
    imported.forEach((entry) => printLine(`imported ${describeSnapshot(entry)}`));
    skipped.forEach((entry) => printLine(`skipped ${describeSnapshot(entry)}: ${REASON[entry.why]}`));
    displaced.forEach((entry) => printLine(`dropped ${describeSnapshot(entry)}: ${REASON[entry.why]}`));
    refused.forEach((entry) => printLine(`refused ${describeSnapshot(entry)}: ${plain(entry.reason)}`));
    absentBases.forEach(({ name, digest }) =>
      printLine(`needed for a restore: ${plain(name)} (${digest}), which the export does not have`),
    );
    printLine(`${formatBytes(bytes)} copied from ${dir}`);
  });
}
