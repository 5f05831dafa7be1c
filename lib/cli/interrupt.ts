import type { Command } from 'commander';
import { RbmResumeError } from '../errors.js';
import { interrupt, type InterruptOptions } from '../container/interrupt.js';
import { parsePatience, withInterruptFlags, type InterruptFlags } from './flags.js';
import { findStore } from './find-store.js';
import { printJson, printLine } from './output.js';
import { describeInterrupt } from './run.js';

interface InterruptCommandFlags extends InterruptFlags {
  readonly container?: string;
  readonly project?: string;
  readonly all?: true;
  readonly json?: true;
}

export function registerInterrupt(program: Command): void {
  const interruptCommand = program
    .command('interrupt')
    .description('interrupt builds that run now; rbm then keeps them and ends')
    .option('--container <id>', 'the container with this id (or its first digits)')
    .option('--project <name>', 'the containers of this project')
    .option('--all', 'every container of this store')
    .option('--json', 'print the result as JSON');
  withInterruptFlags(interruptCommand).action(async (flags: InterruptCommandFlags, command: Command) => {
    const store = await findStore(command.optsWithGlobals<{ store?: string }>().store);
    const results = await interrupt({
      store,
      which: whichOf(flags),
      ...parsePatience(flags),
    });
    if (flags.json) return printJson(results);
    if (results.length === 0) printLine('nothing is being built');
    for (const result of results) {
      printLine(describeInterrupt(result));
      for (const file of result.report?.removedFiles ?? []) printLine(`  removed: ${file}`);
      for (const { pid, command: killed } of result.report?.killed ?? [])
        printLine(`  killed: ${pid} ${killed}`);
      for (const configure of result.report?.unfinished ?? []) printLine(`  cut off: ${configure}`);
    }
  });
}

function whichOf(flags: InterruptCommandFlags): InterruptOptions['which'] {
  const given: InterruptOptions['which'][] = [];
  if (flags.container !== undefined && flags.container !== '') given.push({ container: flags.container });
  if (flags.project !== undefined) given.push({ project: flags.project });
  if (flags.all) given.push({ all: true });
  const [which, ...others] = given;
  if (which === undefined || others.length > 0) {
    throw new RbmResumeError('USAGE', 'say which build to interrupt', {
      hint: 'One of --container ID, --project NAME, --all; `rbm-resume status` lists what is being built.',
    });
  }
  return which;
}
