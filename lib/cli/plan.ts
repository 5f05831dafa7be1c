import { writeFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { drawPlan } from '../plan/picture.js';
import { planBuild } from '../plan/plan.js';
import { planTree, summarizePlan } from '../plan/tree.js';
import { namingIoFailures } from '../system-error.js';
import { findRbm, findStore, requireWorkspace } from './find-store.js';
import { collect } from './flags.js';
import { printJson, printLine } from './output.js';

interface PlanFlags {
  readonly target: readonly string[];
  readonly step: string;
  readonly rbm?: string;
  readonly json?: true;
  readonly svg?: string;
}

/** Adds the verb `plan` to the command. */
export function registerPlan(program: Command): void {
  program
    .command('plan')
    .description(
      'what a build is made of: every project that rbm would build for it, in order, and what is there',
    )
    .argument('<project>', 'a project of this workspace')
    .option('--target <target>', 'as for rbm; may be given several times', collect, [])
    .option('--step <step>', 'as for rbm', 'build')
    .option('--rbm <program>', 'the rbm to ask (default: $RBM, else rbm/rbm of the workspace)')
    .option('--json', 'print as JSON, with all that could not be looked at offline')
    .option('--svg <file>', 'draw the graph, too')
    .action(async (project: string, flags: PlanFlags, command: Command) => {
      const workspace = requireWorkspace(`Go to the workspace that has the project ${project}.`);
      const plan = await planBuild({
        workspace,
        project,
        targets: flags.target,
        step: flags.step,
        rbm: findRbm(flags.rbm, workspace),
        store: await findStore(command.optsWithGlobals<{ store?: string }>().store),
      });
      const { svg } = flags;
      if (svg !== undefined) await namingIoFailures(`writing ${svg}`, () => writeFile(svg, drawPlan(plan)));
      if (flags.json) return printJson(plan);
      planTree(plan).forEach(printLine);
      printLine('');
      printLine(summarizePlan(plan));
      const open = plan.builds.filter(({ unknown }) => unknown.length > 0).length;
      if (open > 0)
        printLine(`${open} of them lack something here, such as a clone or a download: see --json`);
    });
}
