import { join } from 'node:path';
import { messageOf, RbmResumeError } from '../errors.js';
import { removeTree } from '../rootfs/move-tree.js';
import { carryToNewStore } from './carry.js';
import { readCpuSeconds, toMilliseconds } from '../cpu-time.js';
import { explainDifferences, runDiffoscope } from './explain.js';
import { runLeg, type Leg, type LegOptions } from './leg.js';
import { compareOutputs, listOutputs, type OutputFile } from './outputs.js';
import { momentsOf, type Moment, type PlannedRun } from './plan.js';
import type { ProvedRun, UninterruptedBuild, Verdict } from './report.js';

export interface RunSetting {
  readonly plan: PlannedRun;
  readonly uninterrupted: UninterruptedBuild & { readonly outputDir: string };
  /** The folder of this run. */
  readonly dir: string;
  readonly leg: Omit<LegOptions, 'store' | 'outputDir' | 'dir'>;
  readonly onLeg: (number: number, moment: Moment | null) => void;
}

/** How the legs of a run came out. */
interface Ending {
  readonly legs: readonly Leg[];
  /** Processor time for carrying from store to store; `null` when it could not be measured. */
  readonly carryingCpuSeconds: number | null;
  /** `null`: there is an output to compare. */
  readonly verdict: Exclude<Verdict, 'equal' | 'different'> | null;
  readonly remark: string | null;
}

/** Builds once with interruptions, and compares the output. Of its stores nothing stays. */
export async function proveRun(setting: RunSetting): Promise<ProvedRun> {
  const { dir, uninterrupted } = setting;
  const outputDir = join(dir, 'output');
  let ending: Ending;
  try {
    ending = await runLegs(setting, outputDir);
  } finally {
    await removeTree(storesOf(dir));
  }
  const run = describeLegs(ending, setting);
  const { verdict, remark } = ending;
  if (verdict !== null) return { ...run, verdict, remark };
  const outputs = await listOutputs(outputDir);
  const differences = compareOutputs(uninterrupted.outputs, outputs);
  if (differences.length === 0) return { ...run, verdict: 'equal', remark, outputs };
  const sides = { a: uninterrupted.outputDir, b: outputDir };
  return {
    ...run,
    verdict: 'different',
    remark,
    outputs,
    differences: await explainDifferences(differences, { ...sides, dir: join(dir, 'unpacked') }),
    outputDir,
    diffoscope: await runDiffoscope(sides, join(dir, 'diffoscope.txt')),
  };
}

const storesOf = (dir: string): string => join(dir, 'stores');

async function runLegs(setting: RunSetting, outputDir: string): Promise<Ending> {
  const { plan, dir, uninterrupted } = setting;
  const work = { ms: uninterrupted.scriptSeconds * 1000, statements: uninterrupted.statements };
  const moments: (Moment | null)[] = [...momentsOf(plan, work), null];
  const legs: Leg[] = [];
  let carryingCpuSeconds: number | null = 0;
  const end = (verdict: Ending['verdict'], remark: string | null): Ending => ({
    ...{ legs, carryingCpuSeconds, verdict, remark },
  });
  let store = join(storesOf(dir), '1');
  for (const [index, moment] of moments.entries()) {
    const number = index + 1;
    setting.onLeg(number, moment);
    const leg = await runLeg({ ...setting.leg, store, outputDir, dir: join(dir, `leg-${number}`) }, moment);
    legs.push(leg);
    const { outcome, interruptedBy } = leg.result;
    if (interruptedBy === 'cancelled') return end('cancelled', null);
    const trouble = findTrouble(leg, { number, isFirst: index === 0 });
    if (trouble !== null) return end(...trouble);
    if (outcome === 'finished') return judgeFinished(end, index, plan);
    if (leg.event === null || plan.passage === 'parking') continue;
    const next = join(storesOf(dir), `${number + 1}`);
    const before = await readCpuSeconds(process.pid);
    try {
      await carryToNewStore(leg.event, { exportDir: join(storesOf(dir), 'export'), store: next });
    } catch (error) {
      if (!(error instanceof RbmResumeError)) throw error;
      return end('failed', `what leg ${number} has kept can't be carried on: ${messageOf(error)}`);
    }
    store = next;
    carryingCpuSeconds = add(carryingCpuSeconds, minus(await readCpuSeconds(process.pid), before));
  }
  return end('not-proven', 'the last leg was interrupted, though nobody asked for it');
}

function judgeFinished(
  end: (verdict: Ending['verdict'], remark: string | null) => Ending,
  interruptions: number,
  plan: PlannedRun,
): Ending {
  const planned = plan.interruptions.length;
  if (interruptions === planned) return end(null, null);
  const remark = `finished before ${planned - interruptions} of ${planned} interruptions`;
  return interruptions === 0 ? end('not-proven', `${remark}: never interrupted`) : end(null, remark);
}

/** Why a leg proves nothing, whatever comes out in the end. */
function findTrouble(
  leg: Leg,
  { number, isFirst }: { readonly number: number; readonly isFirst: boolean },
): [Exclude<Ending['verdict'], null>, string] | null {
  const { event, notices } = leg;
  const told = notices.length === 0 ? '' : `: ${notices.join('; ')}`;
  if (event === null) return ['failed', `leg ${number} made no container${told}; see ${leg.printed}`];
  if (!isFirst && !event.resumed) return ['not-proven', `leg ${number} started clean${told}`];
  switch (leg.result.outcome) {
    case 'finished':
      return null;
    case 'interrupted-and-kept':
      return event.kept ? null : ['not-proven', `leg ${number} was interrupted, and nothing was kept${told}`];
    case 'interrupted-nothing-kept':
    case 'interrupted-and-lost':
      return ['not-proven', `leg ${number} was interrupted, and nothing was kept${told}`];
    case 'failed':
      return [
        'failed',
        `leg ${number} failed, which the uninterrupted build does not${told}; see ${logOf(leg)}`,
      ];
  }
}

const logOf = (leg: Leg): string => leg.log ?? leg.printed;

/** Those in which a leg was interrupted; one that was stopped before a statement does none again. */
function countStatementsRedone(legs: readonly Leg[]): number | null {
  const places = legs.flatMap(({ notices }) =>
    notices.flatMap((notice) => / interrupted during \S+, (in|before) statement /.exec(notice)?.[1] ?? []),
  );
  return places.length === 0 ? null : places.filter((place) => place === 'in').length;
}

/** What can be said of a run by its legs alone. */
function describeLegs(
  { legs, carryingCpuSeconds }: Ending,
  { plan, uninterrupted }: RunSetting,
): Omit<ProvedRun, 'verdict' | 'remark'> {
  const hasFinished = legs.at(-1)?.result.outcome === 'finished';
  const beyondOnce = (key: 'cpuSeconds' | 'scriptCpuSeconds' | 'compileCommands'): number | null =>
    hasFinished
      ? minus(
          legs.reduce<number | null>((sum, leg) => add(sum, leg[key]), 0),
          uninterrupted[key],
        )
      : null;
  const extraCpuSeconds = add(beyondOnce('cpuSeconds'), carryingCpuSeconds);
  const redoneCpuSeconds = beyondOnce('scriptCpuSeconds');
  const isRecognised = (uninterrupted.compileCommands ?? 0) > 0;
  return {
    number: plan.number,
    passage: plan.passage,
    plannedInterruptions: plan.interruptions.length,
    interruptions: legs.flatMap(({ interruptedAfterMs, statement }) =>
      interruptedAfterMs === null ? [] : [{ afterSeconds: interruptedAfterMs / 1000, statement }],
    ),
    scriptSeconds: legs.reduce((sum, { scriptMs }) => sum + (scriptMs ?? 0), 0) / 1000,
    statementsRedone: countStatementsRedone(legs),
    compileCommandsRedone: isRecognised ? beyondOnce('compileCommands') : null,
    extraCpuSeconds,
    redoneCpuSeconds,
    resumingCpuSeconds: minus(extraCpuSeconds, redoneCpuSeconds),
    outputs: [] as OutputFile[],
    differences: [],
    outputDir: null,
    diffoscope: null,
  };
}

const add = (a: number | null, b: number | null): number | null =>
  a === null || b === null ? null : toMilliseconds(a + b);
const minus = (a: number | null, b: number | null): number | null => add(a, b === null ? null : -b);
