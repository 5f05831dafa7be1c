#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import { EXIT } from '../errors.js';
import { reportError } from './output.js';
import { registerVerbs } from './verbs.js';
import { VERSION } from '../version.js';

const program = new Command('rbm-resume')
  .description('Lets an interrupted rbm build go on where it stopped.')
  .version(VERSION)
  .option(
    '--store <dir>',
    'the store (default: $RBM_RESUME_STORE, else var/resume_store or resume/ of the workspace)',
  )
  .showHelpAfterError()
  .exitOverride()
  .configureHelp({ showGlobalOptions: true });

try {
  await registerVerbs(program, process.argv.slice(2));
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : EXIT.usage;
  else reportError(error, { json: process.argv.includes('--json') });
}
