import { appendFile, writeFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { messageOf, RbmResumeError } from '../errors.js';
import type { Plan } from '../plan/planned-build.js';
import { planBuild } from '../plan/plan.js';
import { renderHtml } from '../report/page.js';
import { renderMarkdown } from '../report/markdown.js';
import { readPlanFile } from '../plan/read-plan.js';
import { readFinishedBuilds, readProofFile } from '../report/read-files.js';
import { gatherReport, type Report } from '../report/report.js';
import { leftOut, summarize } from '../report/words.js';
import { namingIoFailures } from '../system-error.js';
import { findRbm, findStore, findWorkspace } from './find-store.js';
import { collect } from './flags.js';
import { printJson, printLine, printNote } from './output.js';
import { plain } from './transfer.js';

interface ReportFlags {
  readonly html?: string;
  readonly markdown?: string;
  readonly json?: true;
  readonly plan?: string;
  readonly target: readonly string[];
  readonly step: string;
  readonly rbm?: string;
  readonly prove: readonly string[];
  readonly provenance: readonly string[];
}

/** Adds the verb `report` to the command. */
export function registerReport(program: Command): void {
  program
    .command('report')
    .description('a page, or a job summary: the legs of long builds, the graph, the deltas, proofs')
    .argument('[project]', 'only the legs of this project')
    .option('--html <file>', 'write one page that needs no network')
    .option('--markdown <file>', 'append to a file, such as $GITHUB_STEP_SUMMARY')
    .option('--json', 'print as JSON')
    .option('--plan <file>', 'the project graph: what `plan --json` has printed')
    .option('--target <target>', 'ask rbm for the graph of PROJECT; may be given several times', collect, [])
    .option('--step <step>', 'as for rbm', 'build')
    .option('--rbm <program>', 'the rbm to ask (default: $RBM, else rbm/rbm of the workspace)')
    .option('--prove <file>', 'what `prove --json` has printed; may be given several times', collect, [])
    .option(
      '--provenance <file>',
      'of finished builds: provenance, lists of sha256sum, or a folder of these; several times',
      collect,
      [],
    )
    .addHelpText(
      'after',
      '\nA file that cannot be read is named in the page and on standard error; the page is written all the same,\n' +
        'and the exit status is that of the error.',
    )
    .action(async (project: string | undefined, ...[flags, command]: [ReportFlags, Command]) => {
      const store = await findStore(command.optsWithGlobals<{ store?: string }>().store);
      const report = await gather({ project, flags, store });
      const { html, markdown } = flags;
      if (html !== undefined)
        await namingIoFailures(`writing ${html}`, () => writeFile(html, renderHtml(report)));
      if (markdown !== undefined)
        await namingIoFailures(`writing ${markdown}`, () => appendFile(markdown, renderMarkdown(report)));
      report.troubles.forEach((trouble) => printNote(plain(trouble)));
      if (flags.json) return printJson(report);
      printLine(summarize(report));
      leftOut(report).forEach((line) => printLine(`not in it: ${line}`));
    });
}

/** Each part that can't be had costs that part, and the exit status. */
async function gather(of: {
  readonly project: string | undefined;
  readonly flags: ReportFlags;
  readonly store: string;
}): Promise<Report> {
  const { project, flags, store } = of;
  const troubles: string[] = [];
  const tryTo = async <T>(work: () => Promise<T>): Promise<T | null> => {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof RbmResumeError)) throw error;
      process.exitCode ??= error.exitStatus;
      troubles.push(messageOf(error));
      return null;
    }
  };
  const plan = await tryTo(() => findPlan(of));
  const proofs = await Promise.all(flags.prove.map((file) => tryTo(() => readProofFile(file))));
  const finished = await Promise.all(
    flags.provenance.map((source) => tryTo(() => readFinishedBuilds(source))),
  );
  return gatherReport({
    store,
    ...(project === undefined ? {} : { project }),
    plan,
    proofs: proofs.flatMap((proof) => proof ?? []),
    finished: finished.flatMap((builds) => builds ?? []),
    troubles,
  });
}

async function findPlan(of: {
  readonly project: string | undefined;
  readonly flags: ReportFlags;
  readonly store: string;
}): Promise<Plan | null> {
  const { project, flags, store } = of;
  const { plan, target, step, rbm } = flags;
  if (plan !== undefined) return readPlanFile(plan);
  if (rbm === undefined && target.length === 0) return null;
  const workspace = findWorkspace(process.cwd());
  if (project === undefined || workspace === null) {
    throw new RbmResumeError('USAGE', 'to ask rbm for the graph, a project and its workspace are needed', {
      hint: 'Name the project, in the folder of its workspace; or give --plan FILE.',
    });
  }
  const program = findRbm(rbm, workspace);
  return planBuild({ workspace, project, targets: target, step, rbm: program, store });
}
