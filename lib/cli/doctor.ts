import type { Command } from 'commander';
import { EXIT } from '../errors.js';
import { examine } from '../setup/doctor/examine.js';
import type { Finding } from '../setup/doctor/finding.js';
import { findStore, findWorkspace } from './find-store.js';
import { printJson, printLine } from './output.js';

interface DoctorCommandOptions {
  readonly rbm?: string;
  readonly store?: string;
  readonly json?: true;
}

/** Adds the verb `doctor` to the command. */
export function registerDoctor(program: Command): void {
  program
    .command('doctor')
    .description(
      'checks whether builds can be kept and resumed here: this host, and the workspace if there is one',
    )
    .option(
      '--rbm <dir>',
      'the directory with rbm (default: $RBM_DIR, rbm/ of the workspace, the rbm in PATH)',
    )
    .option('--json', 'print the findings as JSON')
    .action(async (_options: unknown, command: Command) =>
      doctor(command.optsWithGlobals<DoctorCommandOptions>()),
    );
}

async function doctor(options: DoctorCommandOptions): Promise<void> {
  const workspace = findWorkspace(process.cwd());
  const named = options.store ?? process.env.RBM_RESUME_STORE;
  const store =
    workspace !== null || (named !== undefined && named !== '') ? await findStore(options.store) : null;
  const findings = await examine({ workspace, store, rbm: options.rbm, env: process.env });
  const isFit = findings.every(({ status }) => status !== 'problem');
  process.exitCode = isFit ? EXIT.finished : EXIT.unfitHost;
  if (options.json === true) printJson({ findings, isFit, exitStatus: process.exitCode });
  else findings.forEach(printFinding);
}

function printFinding({ check, status, message, cure }: Finding): void {
  printLine(`${status.padEnd(7)} ${check}: ${message}`);
  if (cure !== null) printLine(`        ${cure.replaceAll('\n', '\n        ')}`);
}
