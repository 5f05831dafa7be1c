import { appendFile } from 'node:fs/promises';
import type { Command } from 'commander';
import type { RunResult } from '../container/run-result.js';
import { RbmResumeError } from '../errors.js';
import { leaveExport } from '../leg/leave-export.js';
import { judgeLeg, leaveTimes, planLeg, takeOver, workOf, type LegEnd } from '../leg/leg.js';
import { pruneSnapshots } from '../snapshot/prune-snapshots.js';
import type { Signing } from '../trust/sign.js';
import type { Remote } from '../registry/remote.js';
import { carryKeptOf } from './carry-kept.js';
import { parseDuration, parseMoment } from './duration.js';
import { withInterruptFlags, type InterruptFlags } from './flags.js';
import { findStore } from './find-store.js';
import { formatBytes, formatDuration, printNote, reportError } from './output.js';
import { findRemote, withRemoteFlags, type RemoteFlags } from './remote-flags.js';
import { describeRun, runUnderSignals } from './run.js';
import { parseSize } from './size.js';
import { plain } from './transfer.js';
import {
  checkPolicy,
  findTrustOrNone,
  readSigning,
  withSigningFlags,
  withTrustFlags,
  type SigningFlags,
} from './trust-flags.js';

interface LegFlags extends SigningFlags, RemoteFlags, InterruptFlags {
  readonly remote?: string;
  readonly startedAt?: string;
  readonly limit: string;
  readonly stalled: string;
  readonly maxPartSize: string;
  readonly withoutBase?: true;
  readonly keepDays: string;
  readonly outcome?: string;
}

export function registerLeg(program: Command): void {
  const leg = program
    .command('leg')
    .description(
      'one job of a long build in a CI: take over, build until there is no more time, leave behind',
    )
    .usage('[options] DIR -- ./rbm/rbm build PROJECT ...')
    .argument('<dir>', 'what the service carries from job to job: snapshots/ and state/')
    .argument('<command...>', 'the rbm command')
    .requiredOption('--limit <span>', 'how long the service lets the job run, such as 350m')
    .option('--started-at <time>', 'when it began to count: seconds since 1970, or ISO 8601 (default: now)')
    .option('--stalled <count>', 'how many legs in a row have come to nothing; ends earlier then', '0')
    .option('--max-part-size <size>', 'no file that is carried is larger', '400M')
    .option('--without-base', 'leave the container image out: every machine has the same')
    .option('--keep-days <days>', 'carry nothing on that no build has gone on with for so long', '14')
    .option('--remote <url>', 'snapshots travel by this registry, oci://HOST/NAME, and not by DIR')
    .option('--outcome <file>', 'append outcome=finished|interrupted|failed and progress=true|false');
  withRemoteFlags(withTrustFlags(withSigningFlags(withInterruptFlags(leg))))
    .addHelpText(
      'after',
      '\nExit status: 0 finished, or interrupted and to be gone on with by the next job (`--outcome` says which);\n' +
        "otherwise rbm's own: the build failed.",
    )
    .action(async (dir: string, argv: string[], ...[flags, command]: [LegFlags, Command]) => {
      const signing = await readSigning(flags);
      const remote = await findRemote(flags.remote, flags);
      const keepDays = parseCount(flags.keepDays, 'days');
      const startedAt = parseStart(flags.startedAt);
      const store = await findStore(command.optsWithGlobals<{ store?: string }>().store);
      await checkPolicy(flags, store);
      const plan = await planLeg(dir, {
        startedAt,
        limitMs: parseDuration(flags.limit),
        stalledLegs: parseCount(flags.stalled, 'legs'),
      });
      const isOver = plan.deadline.getTime() <= Date.now();
      printNote(
        `this job ends ${formatDuration(plan.reserveMs)} before its limit, ` +
          (isOver ? 'which is over already' : `at ${plan.deadline.toISOString()}`),
      );
      // With a registry, the hooks fetch what a build can go on in.
      if (remote === null) await tellTakenOver(store, dir, flags);
      const result = await runUnderSignals(argv as [string, ...string[]], flags, plan.deadline);
      printNote(describeRun(result));
      const left = await leaveBehind({ store, dir, flags, signing, remote, result, keepDays });
      const end = judgeLeg({ result, before: plan.before, ...left });
      await tell(end, flags);
      process.exitCode = end.outcome === 'failed' ? result.exitStatus : 0;
    });
}

const parseStart = (text: string | undefined): Date =>
  text === undefined
    ? new Date()
    : /^\d{1,12}$/.test(text)
      ? new Date(Number(text) * 1000)
      : parseMoment(text, new Date());

function parseCount(text: string, what: 'legs' | 'days'): number {
  if (/^\d{1,6}$/.test(text)) return Number(text);
  throw new RbmResumeError('USAGE', `not a number of ${what}: "${text}"`, { hint: 'Such as 3.' });
}

async function tellTakenOver(store: string, dir: string, flags: LegFlags): Promise<void> {
  const { imported, trouble } = await takeOver(store, dir, await findTrustOrNone(flags, store));
  if (trouble !== null) printNote(`nothing is taken over from ${dir}: ${trouble}`);
  for (const { project, generation } of imported?.imported ?? [])
    printNote(`taken over: ${plain(project)}, generation ${generation}`);
  for (const { project, reason } of imported?.refused ?? [])
    printNote(`not taken over: ${plain(project)}: ${plain(reason)}`);
}

/** `isKept`: the next leg finds all that this one has kept. What fails here costs work, and not the job. */
async function leaveBehind(of: {
  readonly store: string;
  readonly dir: string;
  readonly flags: LegFlags;
  readonly signing: Signing | null;
  readonly remote: Remote | null;
  readonly result: RunResult;
  readonly keepDays: number;
}): Promise<{ readonly isKept: boolean; readonly workSeconds: number }> {
  const { store, dir, flags, signing, remote, result, keepDays } = of;
  const since = Date.now();
  const { failures } = await carryKeptOf(result, flags, { signing, remote });
  failures.forEach((error) => reportError(error, { json: false }));
  await dropOld(store, keepDays);
  const isWritten = remote !== null || (await writeExport(store, dir, flags));
  const packSeconds = Math.ceil((Date.now() - since) / 1000);
  const workSeconds = await workOf(result);
  await leaveTimes(dir, { packSeconds, workSeconds });
  return { isKept: isWritten && failures.length === 0, workSeconds };
}

/** What is never built again, such as an older version, would be carried from leg to leg for ever. */
async function dropOld(store: string, keepDays: number): Promise<void> {
  try {
    const { snapshots } = await pruneSnapshots(store, { keepDays });
    for (const { project, generation } of snapshots)
      printNote(`not carried on, for its age: ${plain(project)}, generation ${generation}`);
  } catch (error) {
    reportError(error, { json: false });
  }
}

async function writeExport(store: string, dir: string, flags: LegFlags): Promise<boolean> {
  try {
    const { bytes, snapshots } = await leaveExport(store, dir, {
      maxPartSize: parseSize(flags.maxPartSize),
      withoutBase: flags.withoutBase ?? false,
    });
    printNote(`${snapshots.length} snapshot(s), ${formatBytes(bytes)}, are left for the next job`);
    return true;
  } catch (error) {
    reportError(error, { json: false });
    return false;
  }
}

async function tell({ outcome, progress }: LegEnd, flags: LegFlags): Promise<void> {
  const lines = `outcome=${outcome}\nprogress=${progress}\n`;
  if (outcome === 'interrupted' && !progress) printNote('this job has not brought the build on');
  if (flags.outcome !== undefined) await appendFile(flags.outcome, lines);
}
