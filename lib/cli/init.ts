import { createInterface } from 'node:readline/promises';
import type { Command } from 'commander';
import { EXIT, RbmResumeError } from '../errors.js';
import { applyInit, planInit, PROJECT_SETTING, type AppendPlan, type InitPlan } from '../setup/init.js';
import { requireWorkspace } from './find-store.js';
import { printJson, printLine, printNote } from './output.js';

interface InitCommandOptions {
  readonly yes?: true;
  readonly dryRun?: true;
  readonly json?: true;
}

/** Adds the verb `init` to the command. */
export function registerInit(program: Command): void {
  program
    .command('init')
    .description('lets the rbm of this workspace load rbm-resume: adds the lines for it to rbm.local.conf')
    .option('-y, --yes', "don't ask")
    .option('-n, --dry-run', 'show what would be added, and where, and change nothing')
    .option('--json', 'print the result as JSON (needs --yes or --dry-run)')
    .action(init);
}

async function init(options: InitCommandOptions): Promise<void> {
  const workspace = requireWorkspace('Go to the workspace first.');
  const plan = await planInit({ workspace });
  if (options.json !== true) showPlan(plan);
  const isChanged = plan.how === 'append' && (await changeFile(plan, options));
  if (options.json === true) printJson(resultOf(plan, isChanged));
  else showEnd(plan, { isChanged, isDryRun: options.dryRun === true });
  if (plan.how === 'change-by-hand') process.exitCode = EXIT.usage;
}

/** Whether the file was changed: not in a dry run, and not when the person says no. */
async function changeFile(plan: AppendPlan, options: InitCommandOptions): Promise<boolean> {
  if (options.dryRun === true) return false;
  if (options.yes !== true) {
    if (options.json === true || !process.stdin.isTTY || !process.stderr.isTTY) {
      throw new RbmResumeError('USAGE', `${plan.file} was not changed, since there is nobody to ask`, {
        hint: 'Add --yes.',
        fields: { file: plan.file, document: plan.document },
      });
    }
    if (!(await ask(`Add them to ${plan.file}? [y/N] `))) return false;
  }
  await applyInit(plan);
  return true;
}

function showPlan(plan: InitPlan): void {
  switch (plan.how) {
    case 'append':
      printLine(`${plan.before === null ? 'The new file' : 'At the end of'} ${plan.file}:`);
      printLine('');
      printLine(plan.document);
      break;
    case 'already-loaded':
      printLine(
        `${plan.file} loads the shim already, on line ${plan.line}${plan.lib === null ? '' : `, from ${plan.lib}`}.`,
      );
      break;
    case 'change-by-hand':
      printLine(`${plan.file} was not changed: ${plan.reason}.`);
      plan.steps.forEach(printLine);
      break;
  }
  plan.notes.forEach(printNote);
}

function showEnd(plan: InitPlan, end: { readonly isChanged: boolean; readonly isDryRun: boolean }): void {
  if (plan.how === 'append' && !end.isChanged) {
    printLine(end.isDryRun ? 'A dry run: nothing was changed.' : 'Nothing was changed.');
    if (!end.isDryRun) return;
  }
  if (end.isChanged) printLine(`${plan.file} is written.`);
  printLine('');
  printLine(
    'Projects whose scripts are bash go on at the statement in which they were interrupted. A project is left out with, in projects/NAME/config:',
  );
  printLine(`  ${PROJECT_SETTING}`);
}

const resultOf = (plan: InitPlan, isChanged: boolean) => ({
  how: plan.how,
  file: plan.file,
  isChanged,
  document: plan.how === 'append' ? plan.document : null,
  line: plan.how === 'append' ? null : plan.line,
  lib: plan.how === 'already-loaded' ? plan.lib : null,
  reason: plan.how === 'change-by-hand' ? plan.reason : null,
  steps: plan.how === 'change-by-hand' ? plan.steps : [],
  notes: plan.notes,
  projectSetting: PROJECT_SETTING,
});

/** Yes only for y or yes; the end of the input and Ctrl-C are a no. */
async function ask(question: string): Promise<boolean> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const closed = new Promise<string>((resolve) => terminal.once('close', () => resolve('')));
  try {
    const answer = await Promise.race([terminal.question(question), closed]);
    return /^y(es)?$/i.test(answer.trim());
  } catch {
    return false;
  } finally {
    terminal.close();
  }
}
