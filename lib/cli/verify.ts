import type { Command } from 'commander';
import { EXIT } from '../errors.js';
import { verifyStore } from '../snapshot/verify.js';
import { findStore } from './find-store.js';
import { printJson, printLine } from './output.js';
import { withProgress } from './progress.js';

export function registerVerify(program: Command): void {
  program
    .command('verify')
    .description('check the snapshots of the store; ends with status 77 when something is damaged')
    .option('--read-data', 'also read every blob through and unpack every layer')
    .option('--json', 'print as JSON')
    .action(async (flags: { readData?: true; json?: true }, command: Command) => {
      const store = await findStore(command.optsWithGlobals<{ store?: string }>().store);
      const result = await withProgress((onProgress) =>
        verifyStore(store, { readData: flags.readData ?? false, onProgress }),
      );
      const { findings, snapshots, blobs, unreferenced, withoutBase } = result;
      process.exitCode = findings.length === 0 ? EXIT.finished : EXIT.damaged;
      if (flags.json) return printJson({ store, ...result, exitStatus: process.exitCode });
      for (const { snapshot, blob, code, message } of findings)
        printLine(`${snapshot ?? 'the store'}${blob === null ? '' : ` ${blob}`}: ${message} [${code}]`);
      withoutBase.forEach((name) => printLine(`${name}: without its base, which a restore has to bring`));
      const garbage = unreferenced === null ? 'an unknown number' : String(unreferenced);
      printLine(
        `${snapshots} snapshots, ${blobs} blobs, ${garbage} of them unused; ${findings.length} defects`,
      );
    });
}
