import type { Command } from 'commander';
import { EXIT, RbmResumeError } from '../errors.js';
import { runBuild, type RunProgress } from '../container/run.js';
import type { InterruptReason, RunResult } from '../container/run-result.js';
import { parsePatience, withInterruptFlags, type InterruptFlags } from './flags.js';
import { parseDuration, parseMoment } from './duration.js';
import { formatDuration, printJson, printNote, reportError } from './output.js';
import { carryKeptOf, NOTHING_CARRIED } from './carry-kept.js';
import { pushToJson } from './push.js';
import { findRemote, remoteEnvironment, withRemoteFlags, type RemoteFlags } from './remote-flags.js';
import {
  checkPolicy,
  readSigning,
  trustEnvironment,
  withSigningFlags,
  withTrustFlags,
  type SigningFlags,
} from './trust-flags.js';
import { describeLeft, underSignals } from './under-signals.js';

export interface RunFlags extends SigningFlags, RemoteFlags, InterruptFlags {
  readonly remote?: string;
  readonly deadline?: string;
  readonly until?: string;
  readonly pack?: true;
  readonly gzip?: true;
  readonly withoutBase?: true;
  readonly json?: true;
}

export function registerRun(program: Command): void {
  const run = program
    .command('run')
    .description('run rbm, interrupt it at a deadline, and keep what it was building')
    .usage('[options] -- ./rbm/rbm build PROJECT ...')
    .argument('<command...>', 'the rbm command')
    .option('--deadline <span>', 'interrupt after this long, such as 105m')
    .option('--until <time>', 'interrupt at this moment, such as 18:30 or 2026-11-22T18:30:00Z')
    .option('--pack', 'make portable snapshots of what was kept, as `pack` does')
    .option('--gzip', 'of `--pack`: for tools that cannot read zstd')
    .option('--without-base', 'of `--pack`: leave the container image out')
    .option('--json', 'print the result as JSON (what rbm prints goes to standard error)')
    .option('--remote <url>', 'pull from this OCI registry what is not parked; with `--pack`, push to it');
  withRemoteFlags(withTrustFlags(withSigningFlags(withInterruptFlags(run))))
    .addHelpText(
      'after',
      '\nExit status: 0 finished; 75 interrupted and kept, run the same again; 76 interrupted, nothing worth keeping;\n' +
        "74 interrupted, and it could not be kept; 64 wrong usage; rbm's own status when a build failed.",
    )
    .action(async (argv: string[], ...[flags, command]: [RunFlags, Command]) => {
      if (!flags.pack && (flags.gzip || flags.withoutBase || flags.signKey || flags.signKeyFd)) {
        throw new RbmResumeError('USAGE', '--gzip, --without-base and --sign-key say how to pack', {
          hint: 'Add --pack.',
        });
      }
      // Before rbm is started: nothing below it may inherit the descriptor.
      const signing = await readSigning(flags);
      const remote = await findRemote(flags.remote, flags);
      await checkPolicy(flags, command.optsWithGlobals<{ store?: string }>().store);
      const result = await runUnderSignals(
        argv as [string, ...string[]],
        flags,
        deadlineOf(flags, new Date()),
      );
      const carried = flags.pack ? await carryKeptOf(result, flags, { signing, remote }) : NOTHING_CARRIED;
      const { packed, pushed, failures } = carried;
      const failure = failures.find((error) => error instanceof RbmResumeError);
      // The next machine would have nothing to go on with.
      const exitStatus = failures.length === 0 ? result.exitStatus : (failure?.exitStatus ?? EXIT.internal);
      const inJson = {
        ...(flags.pack ? { packed } : {}),
        ...(remote === null ? {} : { pushed: pushed.map(pushToJson) }),
      };
      if (flags.json) printJson({ ...result, exitStatus, ...inJson });
      else printNote(describeRun(result));
      failures.forEach((error) => reportError(error, { json: false }));
      process.exitCode = exitStatus;
    });
}

/** Runs rbm with what the flags say, and tells what happens on standard error. */
export function runUnderSignals(
  argv: [string, ...string[]],
  flags: Pick<
    RunFlags,
    'grace' | 'finishStatement' | 'policy' | 'class' | 'json' | 'remote' | 'tlsVerify' | 'authfile'
  >,
  deadline: Date | null,
): Promise<RunResult> {
  const env = { ...process.env, ...trustEnvironment(flags), ...remoteEnvironment(flags.remote, flags) };
  return underSignals(({ left, ...signals }) =>
    runBuild({
      argv,
      env,
      ...(deadline === null ? {} : { deadline }),
      ...parsePatience(flags),
      outputTo: flags.json ? 'stderr' : 'stdout',
      ...signals,
      onProgress: (progress) => tell(progress, left),
    }),
  );
}

function deadlineOf(flags: RunFlags, now: Date): Date | null {
  if (flags.deadline !== undefined && flags.until !== undefined) {
    throw new RbmResumeError('USAGE', '--deadline and --until exclude each other', {
      hint: 'Give one of them.',
    });
  }
  if (flags.until !== undefined) return parseMoment(flags.until, now);
  return flags.deadline === undefined ? null : new Date(now.getTime() + parseDuration(flags.deadline));
}

function tell(progress: RunProgress, signalsLeft: () => number): void {
  switch (progress.what) {
    case 'interrupting':
      printNote(describeReason(progress.why));
      break;
    case 'interrupted':
      printNote(describeInterrupt(progress.result));
      break;
    case 'trouble':
      printNote(progress.message);
      break;
    case 'not-loaded':
      printNote(
        'no rbm below this command has loaded rbm-resume, so nothing of it can be interrupted or kept: ' +
          '`rbm-resume init` adds it to rbm.local.conf, `rbm-resume doctor` looks ' +
          `(${describeLeft(signalsLeft())} it now)`,
      );
      break;
    case 'waiting-for-rbm':
      printNote(
        'rbm works on the host; it ends when it wants its next container ' +
          `(${describeLeft(signalsLeft())} it now)`,
      );
      break;
  }
}

function describeReason(why: InterruptReason): string {
  switch (why) {
    case 'deadline':
      return 'the deadline has come; interrupting';
    case 'asked':
      return 'interrupting; what is short may end first (Ctrl-C again: no longer than some seconds)';
    case 'cancelled':
      return 'cancelled; interrupting';
  }
}

/** One line on what an interrupt did to one build. */
export function describeInterrupt(result: {
  readonly project: string;
  readonly how: 'stopped' | 'asked' | 'ended';
  readonly script: string | null;
  readonly report: {
    readonly processes: number;
    readonly escalation: string;
    readonly durationMs: number;
  } | null;
}): string {
  const { project, how, script, report } = result;
  if (how === 'ended') return `${project}: its scripts had ended already`;
  if (how === 'asked' || report === null)
    return `${project}: no script was running, and none will be started`;
  const time = formatDuration(report.durationMs);
  return `${project}: ${script} stopped (${report.processes} processes, ${report.escalation} was enough, ${time})`;
}

/** One line on how a run ended. */
export function describeRun(result: RunResult): string {
  switch (result.outcome) {
    case 'finished':
      return result.containers.some(({ resumed }) => resumed)
        ? 'finished, resumed from what was kept'
        : 'finished';
    case 'interrupted-and-kept':
      return `interrupted and kept: run the same command again to go on (exit status ${EXIT.interruptedAndKept})`;
    case 'interrupted-nothing-kept':
      return `interrupted, and nothing was worth keeping (exit status ${EXIT.interruptedNothingKept})`;
    case 'interrupted-and-lost':
      return `interrupted, and what it had made could not be kept (exit status ${EXIT.io})`;
    case 'failed':
      return `the build failed (rbm ended with ${result.rbmStatus ?? result.rbmSignal})`;
  }
}
