import type { Command } from 'commander';
import { EXIT, RbmResumeError } from '../errors.js';
import { runBuild, type RunProgress, type RunResult } from '../container/run.js';
import { parseDuration, parseMoment } from './duration.js';
import { formatDuration, printJson, printNote } from './output.js';

interface RunFlags {
  readonly deadline?: string;
  readonly until?: string;
  readonly grace: string;
  readonly json?: true;
}

export function registerRun(program: Command): void {
  program
    .command('run')
    .description('run rbm, interrupt it at a deadline, and keep what it was building')
    .usage('[options] -- ./rbm/rbm build PROJECT ...')
    .argument('<command...>', 'the rbm command')
    .option('--deadline <span>', 'interrupt after this long, such as 105m')
    .option('--until <time>', 'interrupt at this moment, such as 18:30 or 2026-11-22T18:30:00Z')
    .option('--grace <span>', 'how long scripts may take to end before they are killed', '60s')
    .option('--json', 'print the result as JSON (what rbm prints goes to standard error)')
    .addHelpText(
      'after',
      '\nExit status: 0 finished; 75 interrupted and kept, run the same again; 76 interrupted, nothing kept;\n' +
        "64 wrong usage; rbm's own status when a build failed.",
    )
    .action(async (argv: string[], flags: RunFlags) => {
      const result = await runUnderSignals(argv as [string, ...string[]], flags);
      if (flags.json) printJson(result);
      else printNote(describe(result));
      process.exitCode = result.exitStatus;
    });
}

async function runUnderSignals(argv: [string, ...string[]], flags: RunFlags): Promise<RunResult> {
  const deadline = deadlineOf(flags, new Date());
  const [cancel, kill] = [new AbortController(), new AbortController()];
  const onSignal = () => (cancel.signal.aborted ? kill.abort() : cancel.abort());
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  signals.forEach((signal) => process.on(signal, onSignal));
  try {
    return await runBuild({
      argv,
      ...(deadline === null ? {} : { deadline }),
      graceMs: parseDuration(flags.grace),
      outputTo: flags.json ? 'stderr' : 'stdout',
      signal: cancel.signal,
      killSignal: kill.signal,
      onProgress: tell,
    });
  } finally {
    signals.forEach((signal) => process.off(signal, onSignal));
  }
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

function tell(progress: RunProgress): void {
  switch (progress.what) {
    case 'interrupting':
      printNote(
        progress.why === 'deadline' ? 'the deadline has come; interrupting' : 'cancelled; interrupting',
      );
      break;
    case 'interrupted':
      printNote(describeInterrupt(progress.result));
      break;
    case 'trouble':
      printNote(progress.message);
      break;
    case 'waiting-for-rbm':
      printNote(
        'rbm works on the host; it ends when it wants its next container (a second Ctrl-C stops it now)',
      );
      break;
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

function describe(result: RunResult): string {
  switch (result.outcome) {
    case 'finished':
      return result.containers.some(({ resumed }) => resumed)
        ? 'finished, resumed from what was kept'
        : 'finished';
    case 'interrupted-and-kept':
      return `interrupted and kept: run the same command again to go on (exit status ${EXIT.interruptedAndKept})`;
    case 'interrupted-nothing-kept':
      return `interrupted, and nothing was worth keeping (exit status ${EXIT.interruptedNothingKept})`;
    case 'failed':
      return `the build failed (rbm ended with ${result.rbmStatus ?? result.rbmSignal})`;
  }
}
