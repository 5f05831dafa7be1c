import type { Command } from 'commander';
import { EXIT } from '../errors.js';
import { repairStore, type RepairResult } from '../snapshot/repair.js';
import { verifyStore } from '../snapshot/verify.js';
import { findStore } from './find-store.js';
import { printJson, printLine } from './output.js';
import { withProgress } from './progress.js';

interface Flags {
  readonly readData?: true;
  readonly repair?: true;
  readonly json?: true;
}

export function registerVerify(program: Command): void {
  program
    .command('verify')
    .description('check the snapshots of the store; ends with status 77 when something is damaged')
    .option('--read-data', 'also read every blob through and unpack every layer')
    .option(
      '--repair',
      'first rebuild a damaged or missing index.json from the blobs, and take defective snapshots out of use',
    )
    .option('--json', 'print as JSON')
    .action(async (flags: Flags, command: Command) => {
      const store = await findStore(command.optsWithGlobals<{ store?: string }>().store);
      const repair =
        flags.repair === true ? await withProgress((onProgress) => repairStore(store, { onProgress })) : null;
      const result = await withProgress((onProgress) =>
        verifyStore(store, { readData: flags.readData ?? false, onProgress }),
      );
      const { findings, snapshots, blobs, unreferenced, withoutBase } = result;
      process.exitCode = findings.length === 0 ? EXIT.finished : EXIT.damaged;
      if (flags.json)
        return printJson({ store, ...(repair && { repair }), ...result, exitStatus: process.exitCode });
      if (repair !== null) printRepair(repair);
      for (const { snapshot, blob, code, message } of findings)
        printLine(`${snapshot ?? 'the store'}${blob === null ? '' : ` ${blob}`}: ${message} [${code}]`);
      withoutBase.forEach((name) => printLine(`${name}: without its base, which a restore has to bring`));
      const garbage = unreferenced === null ? 'an unknown number' : String(unreferenced);
      printLine(
        `${snapshots} snapshots, ${blobs} blobs, ${garbage} of them unused; ${findings.length} defects`,
      );
    });
}

function printRepair({ flaws, savedAs, added, quarantined }: RepairResult): void {
  flaws.forEach((flaw) => printLine(`repaired: ${flaw}`));
  savedAs.forEach((file) => printLine(`what it was is kept as ${file}`));
  added.forEach((name) => printLine(`${name}: in the index again`));
  quarantined.forEach(({ snapshot, reason }) => printLine(`${snapshot}: taken out of use: ${reason}`));
  if (flaws.length + quarantined.length === 0) printLine('nothing to repair');
}
