#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import { EXIT } from '../errors.js';
import { endWhenClosed } from './closed-output.js';
import { reportError } from './output.js';
import { registerVerbs } from './verbs.js';
import { VERSION } from '../version.js';

const whenClosed = endWhenClosed();
const program = new Command('rbm-resume')
  .description('Lets an interrupted rbm build go on where it stopped.')
  .version(VERSION)
  .option(
    '--store <dir>',
    'the store (default: $RBM_RESUME_STORE, else var/resume_store or resume/ of the workspace)',
  )
  .showHelpAfterError()
  .exitOverride()
  // By this come help and version alone, which are all that was asked for.
  .configureOutput({
    writeOut: (text) => {
      whenClosed.status = EXIT.finished;
      process.stdout.write(text);
    },
  })
  .configureHelp({ showGlobalOptions: true });

try {
  await registerVerbs(program, process.argv.slice(2));
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : EXIT.usage;
  else reportError(error, { json: process.argv.includes('--json') });
}
