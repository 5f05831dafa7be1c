import { existsSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { runBuild } from '../container/run.js';
import type { RunResult } from '../container/run-result.js';
import type { RunEvent } from '../container/run-directory.js';
import { parseTimes } from '../cpu-time.js';
import { countCompileCommands } from './compile-commands.js';
import type { Moment } from './plan.js';
import type { RbmCommand } from './rbm-command.js';
import { ScriptWatch, type CurrentStatement, type Sighting, type StatementPosition } from './watch.js';

export interface LegOptions {
  readonly command: RbmCommand;
  readonly store: string;
  /** Where the output goes. */
  readonly outputDir: string;
  /** A folder for what rbm prints; made anew. */
  readonly dir: string;
  readonly graceMs: number;
  readonly signal: AbortSignal;
  readonly killSignal: AbortSignal;
  readonly currentStatement: CurrentStatement;
}

/** One run of rbm on the project. */
export interface Leg {
  readonly result: RunResult;
  /** What became of the project's own container; `null` when there was none. */
  readonly event: RunEvent | null;
  /** How long the build script ran; `null` when it did not begin. */
  readonly scriptMs: number | null;
  /** How long after the script began it was interrupted; `null` when it was not. */
  readonly interruptedAfterMs: number | null;
  readonly statement: StatementPosition | null;
  /** User and system time from when the project's container was made. */
  readonly cpuSeconds: number | null;
  /** That of the build script alone; 0 when it did not begin. */
  readonly scriptCpuSeconds: number | null;
  /** Lines of the script's log that announce a compilation; `null` when there is no log to read. */
  readonly compileCommands: number | null;
  /** What rbm-resume said in it, one line each. */
  readonly notices: readonly string[];
  /** What rbm printed. */
  readonly printed: string;
  /** The log of the build. */
  readonly log: string | null;
}

/** `times` tells what the shell has waited for, so rbm is its child and not its successor. */
const RUN_AND_MEASURE = `exec >> "$1" 2>&1
times_to=$2
shift 2
"$@"
status=$?
times > "$times_to"
exit "$status"`;

/**
 * Runs rbm on the project; with a moment, interrupts it then. Its output goes to a folder of its own, and what it prints to a
 * file.
 */
export async function runLeg(options: LegOptions, moment: Moment | null): Promise<Leg> {
  const { command, store, dir } = options;
  await mkdir(dir, { recursive: true });
  await mkdir(options.outputDir, { recursive: true });
  const [printed, times] = [join(dir, 'rbm.txt'), join(dir, 'times')];
  const interrupt = new AbortController();
  const { project, step } = command;
  const watch = new ScriptWatch({ store, project, step, currentStatement: options.currentStatement });
  const interruption = moment === null ? null : interruptAt(moment, watch, interrupt);
  let seen: Sighting | null;
  let result: RunResult;
  try {
    result = await runBuild({
      argv: ['bash', '-c', RUN_AND_MEASURE, 'bash', printed, times, ...command.argv],
      // A store of its own, which nobody else has written: nothing in it is judged, and nothing leaves it.
      env: {
        ...process.env,
        RBM_RESUME_STORE: store,
        RBM_RESUME_OUTPUT: options.outputDir,
        RBM_RESUME_POLICY: '',
        RBM_RESUME_CLASS: '',
        RBM_RESUME_REMOTE: '',
      },
      graceMs: options.graceMs,
      interruptSignal: interrupt.signal,
      signal: options.signal,
      killSignal: options.killSignal,
    });
  } finally {
    seen = await watch.stop();
    await interruption;
  }
  const events = result.containers.filter((event) => event.project === project);
  const event = events.find(({ container }) => container.endsWith(`/${seen?.container}`)) ?? null;
  const { beganAt = null, endedAt = null, log = null } = seen ?? {};
  const isInterrupted = event?.outcome === 'interrupted' || event?.outcome === 'interrupted-early';
  const askedAt = (await interruption) ?? null;
  return {
    result,
    event,
    scriptMs: beganAt === null || endedAt === null ? null : endedAt - beganAt,
    interruptedAfterMs: isInterrupted && beganAt !== null && askedAt !== null ? askedAt - beganAt : null,
    statement: seen?.statement ?? null,
    cpuSeconds: await readCpuOfLeg(times, seen),
    scriptCpuSeconds: beganAt === null ? 0 : (event?.scriptCpuSeconds ?? null),
    compileCommands:
      log !== null && existsSync(log.path) ? await countCompileCommands(log.path, log.offset) : null,
    notices: await collectNotices(printed, seen),
    printed,
    log: log?.path ?? null,
  };
}

/** Asks for the interrupt when the moment has come; resolves to when that was, or to `null` when it came too late. */
async function interruptAt(
  moment: Moment,
  watch: ScriptWatch,
  interrupt: AbortController,
): Promise<number | null> {
  const isReached = ({ beganAt, statement }: Sighting): boolean => {
    if (beganAt === null) return false;
    if ('atStatement' in moment) return statement !== null && statement.index >= moment.atStatement;
    return Date.now() >= beganAt + moment.afterMs;
  };
  for (;;) {
    const { sighting, isOver } = watch;
    if (isOver || (sighting?.endedAt ?? null) !== null) return null;
    if (sighting !== null && isReached(sighting)) break;
    await sleep(10);
  }
  if ('atStatement' in moment) await sleep(moment.afterMs);
  if (watch.isOver) return null;
  interrupt.abort();
  return Date.now();
}

async function readCpuOfLeg(times: string, seen: Sighting | null): Promise<number | null> {
  if (seen?.cpuSecondsBefore == null || !existsSync(times)) return null;
  const seconds = parseTimes(await readFile(times, 'utf8'));
  return seconds === null ? null : seconds - seen.cpuSecondsBefore;
}

/** What the shim and the hooks have said, on rbm's own output and in the notice that rbm hands on. */
async function collectNotices(printed: string, seen: Sighting | null): Promise<string[]> {
  const text = (existsSync(printed) ? await readFile(printed, 'utf8') : '') + (seen?.notice ?? '');
  const lines = text.split('\n').filter((line) => line.startsWith('rbm-resume: '));
  return [...new Set(lines.map((line) => line.slice('rbm-resume: '.length)))];
}
