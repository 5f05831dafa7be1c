#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { EXIT } from '../errors.js';
import { registerCat } from './cat.js';
import { registerDiff } from './diff.js';
import { registerDoctor } from './doctor.js';
import { registerExplain } from './explain.js';
import { registerExport } from './export.js';
import { registerImport } from './import.js';
import { registerInit } from './init.js';
import { registerInspect } from './inspect.js';
import { registerInterrupt } from './interrupt.js';
import { registerList } from './list.js';
import { registerLs } from './ls.js';
import { reportError } from './output.js';
import { registerPack } from './pack.js';
import { registerProve } from './prove.js';
import { registerPrune } from './prune.js';
import { registerRemove } from './remove.js';
import { registerRestore } from './restore.js';
import { registerRun } from './run.js';
import { registerShell } from './shell.js';
import { registerStatus } from './status.js';
import { registerVerify } from './verify.js';

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

const program = new Command('rbm-resume')
  .description('Lets an interrupted rbm build go on where it stopped.')
  .version(version)
  .option(
    '--store <dir>',
    'the store (default: $RBM_RESUME_STORE, else var/resume_store or resume/ of the workspace)',
  )
  .showHelpAfterError()
  .exitOverride()
  .configureHelp({ showGlobalOptions: true });

registerRun(program);
registerProve(program);
registerInterrupt(program);
registerStatus(program);
registerList(program);
registerPack(program);
registerInspect(program);
registerLs(program);
registerCat(program);
registerDiff(program);
registerRestore(program);
registerShell(program);
registerVerify(program);
registerRemove(program);
registerPrune(program);
registerExport(program);
registerImport(program);
registerInit(program);
registerDoctor(program);
registerExplain(program);

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : EXIT.usage;
  else reportError(error, { json: process.argv.includes('--json') });
}
