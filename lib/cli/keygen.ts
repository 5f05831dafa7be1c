import { resolve } from 'node:path';
import type { Command } from 'commander';
import { generateKey } from '../trust/keys.js';
import { printJson, printLine } from './output.js';

export function registerKeygen(program: Command): void {
  program
    .command('keygen')
    .description('make a key pair to sign snapshots with: FILE (private) and FILE.pub')
    .argument('<file>', 'a file that does not exist')
    .option('--json', 'print as JSON')
    .action(async (file: string, flags: { json?: true }) => {
      const made = await generateKey(resolve(file));
      if (flags.json) return printJson(made);
      printLine(`${made.privateFile}: the private key; keep it where only the jobs that sign can read it`);
      printLine(`${made.publicFile}: the public key, for policies`);
      printLine(`key id: ${made.keyId}`);
    });
}
