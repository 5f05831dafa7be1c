import { Argument, type Command } from 'commander';
import * as v from 'valibot';
import { CI_SERVICES, ciFiles, findStaleFiles, writeCiFiles, type CiPlan } from '../ci/files.js';
import type { CiService } from '../ci/settings.js';
import { EXIT, RbmResumeError } from '../errors.js';
import { planBuild } from '../plan/plan.js';
import { readPlanFile } from '../plan/read-plan.js';
import { readJsonFile } from '../store/json-file.js';
import { parseDuration } from './duration.js';
import { collect } from './flags.js';
import { requireWorkspace } from './find-store.js';
import { printJson, printLine, printNote } from './output.js';

interface CiFlags {
  readonly target: readonly string[];
  readonly step?: string;
  readonly name?: string;
  readonly plan?: string;
  readonly heavy: readonly string[];
  readonly heavyOver?: string;
  readonly times?: string;
  readonly rbm: string;
  readonly command: string;
  readonly prepare: readonly string[];
  readonly limit?: string;
  readonly branch: string;
  readonly policy?: string;
  readonly remote?: string;
  readonly bump?: string;
  readonly maxStalled: string;
  readonly clones: readonly string[];
  readonly check?: true;
  readonly json?: true;
}

const NONE: readonly string[] = [];

export function registerCi(program: Command): void {
  program
    .command('ci')
    .description('write the configuration of a CI service that builds a project in as many legs as it takes')
    .addArgument(new Argument('<service>').choices(CI_SERVICES))
    .argument('<project>', 'what is built in the end')
    .option('--target <target>', 'as for rbm; can be given several times', collect, NONE)
    .option('--step <step>', 'as for rbm')
    .option(
      '--name <name>',
      'tells it from others of the same project, such as for other targets (github, woodpecker; default: the project)',
    )
    .option('--heavy <project>', 'gets a job of its own; several times (default: the project)', collect, NONE)
    .option('--heavy-over <span>', 'projects that --times says to take longer get a job of their own')
    .option('--times <file>', 'of --heavy-over: JSON, {"PROJECT": SECONDS}')
    .option(
      '--limit <span>',
      'how long the service lets a job run (github 350m, gitlab 170m, woodpecker 55m)',
    )
    .option('--branch <name>', 'whose pushes are built', 'main')
    .option(
      '--policy <file>',
      'whose snapshots are used, a file of the workspace: then jobs tell their class (github, gitlab)',
    )
    .option(
      '--remote <url>',
      'snapshots travel by this registry, oci://HOST/NAME, and not by caches (github, gitlab)',
    )
    .option(
      '--bump <command>',
      'edits the version of $PROJECT; run once a day, which proposes changes (github, gitlab)',
    )
    .option('--max-stalled <count>', 'no more legs after so many that came to nothing', '3')
    .option(
      '--clones <folder>',
      'of the workspace, cached too; several times (default: git_clones)',
      collect,
      NONE,
    )
    .option('--rbm <command>', 'how rbm is called in the workspace', './rbm/rbm')
    .option('--command <command>', 'how rbm-resume is called in a job', 'rbm-resume')
    .option(
      '--prepare <line>',
      'shell that makes a machine ready, in place of apt-get and npm; several times',
      collect,
      NONE,
    )
    .option('--plan <file>', 'what `rbm-resume plan --json` printed, in place of asking rbm')
    .option('--check', 'change nothing: do the files say what they would be now?')
    .option('--json', 'print as JSON')
    .addHelpText('after', '\nExit status of --check: 0 up to date; 78 not.')
    .action(writeConfiguration);
}

async function writeConfiguration(service: CiService, project: string, flags: CiFlags): Promise<void> {
  const workspace = requireWorkspace('Go to the workspace first.');
  const plan = await findPlan(workspace, project, flags);
  const heavy = [...flags.heavy, ...(await slowOnes(flags, plan))];
  const files = ciFiles(service, plan, {
    ...(heavy.length === 0 ? {} : { heavy }),
    ...(flags.prepare.length === 0 ? {} : { prepare: flags.prepare }),
    ...(flags.clones.length === 0 ? {} : { clones: flags.clones.filter((folder) => folder !== '') }),
    ...(flags.limit === undefined ? {} : { limitSeconds: Math.floor(parseDuration(flags.limit) / 1000) }),
    ...{ rbm: flags.rbm, command: flags.command, branch: flags.branch },
    name: flags.name ?? null,
    policy: flags.policy ?? null,
    remote: flags.remote ?? null,
    bump: flags.bump ?? null,
    maxStalled: Number(flags.maxStalled),
  });
  const stale = await findStaleFiles(workspace, files);
  if (!flags.check) await writeCiFiles(workspace, stale);
  if (flags.json)
    printJson({ workspace, files: files.map(({ path }) => path), stale: stale.map(({ path }) => path) });
  else
    for (const { path } of files)
      printLine(
        `${stateOf(
          stale.some((one) => one.path === path),
          flags,
        )} ${path}`,
      );
  if (flags.check && stale.length > 0) {
    printNote('run the same without --check to write them anew');
    process.exitCode = EXIT.outputsDiffer;
  }
}

const stateOf = (isStale: boolean, { check }: CiFlags): string =>
  isStale ? (check ? 'not up to date:' : 'written:') : 'up to date:';

async function findPlan(workspace: string, project: string, flags: CiFlags): Promise<CiPlan> {
  if (flags.plan === undefined) {
    const { step, target: targets } = flags;
    return planBuild({
      workspace,
      project,
      targets,
      ...(step === undefined ? {} : { step }),
      rbm: flags.rbm,
    });
  }
  const plan = await readPlanFile(flags.plan);
  if (plan.project === project) return plan;
  throw new RbmResumeError('USAGE', `${flags.plan} is a plan of ${plan.project}, not of ${project}`, {
    hint: 'Make one with `rbm-resume plan --json`.',
  });
}

async function slowOnes(flags: CiFlags, plan: CiPlan): Promise<string[]> {
  if ((flags.heavyOver === undefined) !== (flags.times === undefined))
    throw new RbmResumeError('USAGE', '--heavy-over and --times belong together', { hint: 'Give both.' });
  if (flags.heavyOver === undefined || flags.times === undefined) return [];
  const times = await readJsonFile(flags.times, {
    schema: v.record(v.string(), v.number()),
    what: 'not of the form {"PROJECT": SECONDS}',
  });
  const least = parseDuration(flags.heavyOver) / 1000;
  const projects = new Set(plan.builds.map((build) => build.project));
  return Object.keys(times).filter((name) => projects.has(name) && (times[name] ?? 0) > least);
}
