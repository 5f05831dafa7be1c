import { mkdir, mkdtemp, rm, rmdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { RbmResumeError, systemErrorCode } from '../errors.js';
import { listBuilding } from '../container/building.js';
import { DEFAULT_GRACE_MS } from '../container/interrupt.js';
import { removeTree } from '../rootfs/move-tree.js';
import { runLeg, type Leg, type LegOptions } from './leg.js';
import { compareOutputs, listOutputs } from './outputs.js';
import { planRuns, type Moment, type Passage } from './plan.js';
import { proveRun } from './prove-run.js';
import { checkProvable, parseRbmCommand } from './rbm-command.js';
import {
  exitStatusOf,
  verdictOf,
  type ProvedRun,
  type ProveReport,
  type UninterruptedBuild,
} from './report.js';
import type { CurrentStatement, StatementPosition } from './watch.js';
import { namingIoFailures } from '../system-error.js';

export interface ProveOptions {
  readonly project: string;
  /** `rbm build PROJECT ...`. */
  readonly argv: readonly string[];
  /** The folder of `rbm.conf`. */
  readonly workspace: string;
  /** How often each run is interrupted; 0 shows whether the project gives the same bytes without resuming. @default 3 */
  readonly interruptions?: number;
  /** How many builds are interrupted. @default 5 */
  readonly runs?: number;
  /** An integer of 32 bits; the same gives the same plan. @default a random one */
  readonly seed?: number;
  /** Outputs, logs and stores go to a new folder in it; best on the file system of rbm's `tmp_dir`. @default `resume-prove` of the workspace */
  readonly work?: string;
  /** @default 60,000 */
  readonly graceMs?: number;
  /** Ends it; nothing is proved then. */
  readonly signal?: AbortSignal;
  /** Stops rbm while it works on the host, too; see `RunOptions`. */
  readonly killSignal?: AbortSignal;
  readonly onProgress?: (progress: ProveProgress) => void;
  /** Which statement a build is at. @default as `status` tells it */
  readonly currentStatement?: CurrentStatement;
}

export type ProveProgress =
  | { readonly what: 'uninterrupted'; readonly workDir: string; readonly seed: number }
  | { readonly what: 'built'; readonly build: UninterruptedBuild }
  | {
      readonly what: 'leg';
      readonly run: number;
      readonly passage: Passage;
      readonly number: number;
      readonly moment: Moment | null;
    }
  | { readonly what: 'run'; readonly run: ProvedRun }
  | { readonly what: 'control' };

export const DEFAULT_RUNS = 5;
export const DEFAULT_INTERRUPTIONS = 3;

/**
 * Builds a project once, then several times with interruptions at random moments, and compares the outputs byte for byte.
 * The output and the store that the workspace has are left alone: all goes to a folder of its own. What the project is built
 * of is built once, before, and stays as after any build.
 * @throws RbmResumeError `USAGE`, `BAD_CONFIG`, `COMMAND_NOT_FOUND`, `COMMAND_FAILED`
 */
export function prove(options: ProveOptions): Promise<ProveReport> {
  return namingIoFailures('proving', () => proveBuild(options));
}

async function proveBuild(options: ProveOptions): Promise<ProveReport> {
  const command = parseRbmCommand(options.argv, options.project);
  const counts = {
    runs: countOf(options.runs ?? DEFAULT_RUNS, { what: 'runs', from: 1 }),
    interruptions: countOf(options.interruptions ?? DEFAULT_INTERRUPTIONS, {
      what: 'interruptions',
      from: 0,
    }),
  };
  const seed = options.seed ?? Math.floor(Math.random() * 2 ** 31);
  const plan = planRuns({ seed, ...counts });
  await checkProvable(command, options.workspace);
  const work = resolve(options.workspace, options.work ?? 'resume-prove');
  await mkdir(work, { recursive: true });
  const workDir = await mkdtemp(join(work, `${options.project}-`));
  const never = new AbortController().signal;
  const leg = {
    command,
    graceMs: options.graceMs ?? DEFAULT_GRACE_MS,
    signal: options.signal ?? never,
    killSignal: options.killSignal ?? never,
    currentStatement: options.currentStatement ?? ((store) => statementOf(options.project, store)),
  };
  const about = { project: options.project, command: command.argv, seed };
  options.onProgress?.({ what: 'uninterrupted', workDir, seed });
  const first = await buildOnce(leg, join(workDir, 'uninterrupted'));
  const uninterrupted = await describeBuild(first, join(workDir, 'uninterrupted', 'output'));
  if (typeof uninterrupted === 'string') {
    const isCancelled = first.result.interruptedBy === 'cancelled';
    const verdict = isCancelled ? 'cancelled' : 'failed';
    const exitStatus = first.result.outcome === 'failed' ? first.result.exitStatus : exitStatusOf(verdict);
    const remark = isCancelled ? null : uninterrupted;
    return {
      ...about,
      verdict,
      remark,
      uninterrupted: null,
      runs: [],
      isReproducible: null,
      workDir,
      exitStatus,
    };
  }
  options.onProgress?.({ what: 'built', build: uninterrupted });
  const runs: ProvedRun[] = [];
  for (const planned of plan) {
    const dir = join(workDir, `run-${planned.number}`);
    const { number: run, passage } = planned;
    const onLeg = (number: number, moment: Moment | null) =>
      options.onProgress?.({ what: 'leg', run, passage, number, moment });
    const proved = await proveRun({ plan: planned, uninterrupted, dir, leg, onLeg });
    runs.push(proved);
    options.onProgress?.({ what: 'run', run: proved });
    if (proved.verdict === 'cancelled') break;
    if (proved.verdict === 'equal') await rm(dir, { recursive: true });
  }
  const verdict = verdictOf(runs, plan.length);
  const tryAgain = () => {
    options.onProgress?.({ what: 'control' });
    return isBuiltAlike(leg, workDir, uninterrupted);
  };
  // Runs that nothing interrupts have said it already.
  const isKnown = counts.interruptions === 0;
  const isReproducible = verdict !== 'different' ? null : isKnown ? false : await tryAgain();
  if (verdict === 'equal') await removeWork(work, workDir);
  return {
    ...about,
    verdict,
    remark: null,
    uninterrupted: withoutFolder(uninterrupted),
    runs,
    isReproducible,
    workDir: verdict === 'equal' ? null : workDir,
    exitStatus: exitStatusOf(verdict),
  };
}

function countOf(value: number, { what, from }: { readonly what: string; readonly from: number }): number {
  if (Number.isSafeInteger(value) && value >= from && value <= 1000) return value;
  throw new RbmResumeError('USAGE', `not a number of ${what}: ${value}`, { hint: `From ${from} to 1000.` });
}

/** Builds without an interruption; nothing stays of its store. */
async function buildOnce(leg: Omit<LegOptions, 'store' | 'outputDir' | 'dir'>, dir: string): Promise<Leg> {
  const store = join(dir, 'store');
  try {
    return await runLeg({ ...leg, store, outputDir: join(dir, 'output'), dir }, null);
  } finally {
    await removeTree(store);
  }
}

/** What an uninterrupted build was, or why it is none. */
async function describeBuild(
  leg: Leg,
  outputDir: string,
): Promise<(UninterruptedBuild & { readonly outputDir: string }) | string> {
  const { result, event, scriptMs, cpuSeconds, scriptCpuSeconds, compileCommands } = leg;
  const see = `see ${leg.log ?? leg.printed}`;
  if (result.outcome !== 'finished') return `the uninterrupted build ended with ${result.exitStatus}; ${see}`;
  if (event === null) return `rbm built the project in no container that the shim knows; ${see}`;
  const outputs = await listOutputs(outputDir);
  if (outputs.length === 0) return `the uninterrupted build has no output; ${see}`;
  const statements = leg.statement?.of ?? null;
  return {
    scriptSeconds: (scriptMs ?? 0) / 1000,
    statements,
    compileCommands,
    cpuSeconds,
    scriptCpuSeconds,
    outputs,
    outputDir,
  };
}

async function isBuiltAlike(
  leg: Omit<LegOptions, 'store' | 'outputDir' | 'dir'>,
  workDir: string,
  first: UninterruptedBuild,
): Promise<boolean | null> {
  const dir = join(workDir, 'uninterrupted-again');
  const again = await describeBuild(await buildOnce(leg, dir), join(dir, 'output'));
  return typeof again === 'string' ? null : compareOutputs(first.outputs, again.outputs).length === 0;
}

function withoutFolder(build: UninterruptedBuild & { readonly outputDir: string }): UninterruptedBuild {
  const { outputDir, ...rest } = build;
  void outputDir;
  return rest;
}

async function removeWork(work: string, workDir: string): Promise<void> {
  await rm(workDir, { recursive: true });
  await rmdir(work).catch((error: unknown) => {
    if (!['ENOTEMPTY', 'ENOENT'].includes(systemErrorCode(error) ?? '')) throw error;
  });
}

async function statementOf(project: string, store: string): Promise<StatementPosition | null> {
  const building = (await listBuilding(store)).find(({ record }) => record.project === project);
  return building?.place ?? null;
}
