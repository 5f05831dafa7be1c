import { appendFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { RbmResumeError } from '../errors.js';
import type { Moment } from '../prove/plan.js';
import { DEFAULT_INTERRUPTIONS, DEFAULT_RUNS, prove, type ProveProgress } from '../prove/prove.js';
import type { ProveReport } from '../prove/report.js';
import { parseDuration } from './duration.js';
import { requireWorkspace } from './find-store.js';
import { formatDuration, printJson, printLine, printNote, printTable } from './output.js';
import { underSignals, type Signals } from './under-signals.js';
import {
  describeDifference,
  describeVerdict,
  formatMarkdown,
  describeWhole,
  HEAD,
  rowsOf,
} from '../prove/describe-report.js';

interface ProveFlags {
  readonly interruptions: string;
  readonly runs: string;
  readonly seed?: string;
  readonly work?: string;
  readonly grace: string;
  readonly markdown?: string;
  readonly json?: true;
}

export function registerProve(program: Command): void {
  program
    .command('prove')
    .description('build a project without and with interruptions, and compare the outputs byte for byte')
    .usage('[options] PROJECT -- ./rbm/rbm build PROJECT ...')
    .argument('<project>', 'the project; what it is built of is built once, before')
    .argument('<command...>', 'the rbm command')
    .option(
      '--interruptions <n>',
      'interrupt each run so often; 0: is it reproducible at all?',
      String(DEFAULT_INTERRUPTIONS),
    )
    .option(
      '--runs <n>',
      'so many builds, by turns through parking and through snapshots',
      String(DEFAULT_RUNS),
    )
    .option('--seed <n>', 'interrupt at the same moments as a run with this seed (default: a random one)')
    .option('--grace <span>', 'how long scripts may take to end before they are killed', '60s')
    .option('--work <dir>', 'where to build and keep what differs (default: resume-prove/ of the workspace)')
    .option('--markdown <file>', 'append the report to a file, such as $GITHUB_STEP_SUMMARY')
    .option('--json', 'print the report as JSON')
    .addHelpText(
      'after',
      '\nExit status: 0 all outputs are equal, and every run was interrupted and resumed; 78 outputs differ;\n' +
        "79 nothing differs, but a run was not interrupted, started clean, or failed; 76 cancelled; rbm's own when\n" +
        'the uninterrupted build failed.',
    )
    .action(async (project: string, ...[argv, flags]: [string[], ProveFlags]) => {
      const workspace = requireWorkspace('Go to the workspace.');
      const build = ({ signal, killSignal }: Signals) =>
        prove({
          project,
          argv,
          workspace,
          interruptions: Number(flags.interruptions),
          runs: Number(flags.runs),
          ...(flags.seed === undefined ? {} : { seed: parseSeed(flags.seed) }),
          ...(flags.work === undefined ? {} : { work: flags.work }),
          graceMs: parseDuration(flags.grace),
          signal,
          killSignal,
          onProgress: tell,
        });
      const report = await underSignals(build, { keepsNothing: true });
      if (flags.markdown !== undefined) await appendFile(flags.markdown, formatMarkdown(report));
      if (flags.json) printJson(report);
      else printReport(report);
      process.exitCode = report.exitStatus;
    });
}

function parseSeed(text: string): number {
  const seed = Number(text);
  if (/^\d+$/.test(text) && seed < 2 ** 31) return seed;
  throw new RbmResumeError('USAGE', `not a seed: "${text}"`, {
    hint: 'A number that an earlier report names.',
  });
}

function tell(progress: ProveProgress): void {
  switch (progress.what) {
    case 'uninterrupted':
      return printNote(
        `seed ${progress.seed}; outputs and logs in ${progress.workDir}; building without interruptions`,
      );
    case 'built':
      return printNote(`its script took ${formatDuration(progress.build.scriptSeconds * 1000)}`);
    case 'leg': {
      const { run, number, passage, moment } = progress;
      const through = passage === 'none' ? '' : ` (${passage})`;
      return printNote(`run ${run}${through}, leg ${number}: ${describeMoment(moment)}`);
    }
    case 'run':
      return printNote(`run ${progress.run.number}: ${describeVerdict(progress.run)}`);
    case 'control':
      return printNote('building once more without interruptions: does that differ, too?');
  }
}

function describeMoment(moment: Moment | null): string {
  if (moment === null) return 'to its end';
  const span = `${(moment.afterMs / 1000).toFixed(2)} s`;
  return 'atStatement' in moment
    ? `to be interrupted ${span} into statement ${moment.atStatement}`
    : `to be interrupted after ${span}`;
}

function printReport(report: ProveReport): void {
  if (report.runs.length > 0) printTable(HEAD, rowsOf(report));
  describeWhole(report).forEach(printLine);
  for (const run of report.runs)
    for (const one of run.differences)
      describeDifference(one, run).forEach((line) => printLine(`run ${run.number}: ${line}`));
  printLine(describeVerdict(report));
}
