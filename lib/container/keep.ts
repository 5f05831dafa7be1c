import { messageOf } from '../errors.js';
import type { ProjectHash } from '../digest.js';
import { readLines, type ScriptEnd } from '../store/live.js';
import type { LivePaths, StorePaths } from '../store/paths.js';
import type { Leg, LiveRecord } from '../store/record.js';
import { DIVISION } from '../script/division.js';
import { fingerprintInputs } from './inputs.js';
import { readStopped, type StoppedFile } from './interrupt-files.js';
import { isWorthKeeping, type Outcome } from './outcome.js';
import { park, type ParkResult } from './park.js';
import { secondsFrom } from '../time.js';

/** A build that has ended, and what is to be said of it. */
export interface Ending {
  readonly record: LiveRecord;
  readonly live: LivePaths;
  readonly outcome: Outcome;
  readonly ends: ReadonlyMap<string, ScriptEnd>;
  readonly notes: string[];
  readonly onCopy: () => void;
}

/**
 * Parks the tree of a build when it is worth it; says so, or why not, in the notes. A tree that cannot be parked is the
 * caller's to remove.
 * @returns how it was parked, `null` when it was not worth it, `lost` when it could not be
 */
export async function keep(paths: StorePaths, ending: Ending): Promise<ParkResult | 'lost' | null> {
  const { record, live, outcome, ends, notes } = ending;
  const { hash, project } = record;
  const unresumable = outcome === 'interrupted' ? (await readLines(live.unresumable))[0] : undefined;
  if (hash === null || unresumable !== undefined || !isWorthKeeping(outcome, record.resumed)) {
    const reason = unresumable === undefined ? reasonNotKept(ending) : `nothing is kept: ${unresumable}`;
    if (outcome.startsWith('interrupted')) notes.push(`${project} was interrupted; ${reason}`);
    return null;
  }
  const stopped = await readStopped(live);
  const leg = legOf(record, { ends, stopped });
  try {
    const how = await park(paths, {
      container: record.container,
      live,
      inputsDir: record.inputsDir,
      onCopy: ending.onCopy,
      record: {
        format: record.format,
        project,
        step: record.step,
        targets: record.targets,
        version: record.version,
        filename: record.filename,
        workspace: record.workspace,
        expectedScripts: record.expectedScripts,
        idMap: record.idMap,
        legs: [...record.legs, leg],
        hash,
        container: record.container,
        jobClass: record.jobClass,
        signer: record.signer,
        tmpFolders: await readLines(live.tmpFolders),
        inputs: record.inputsDir === null ? null : await fingerprintInputs(record.inputsDir, record),
        endedScripts: [...ends].filter(([name, end]) => name !== 'get' && end === 0).map(([name]) => name),
        baseline: record.baseline,
        image: record.image,
        snapshot: record.snapshot,
        reason: outcome,
      },
    });
    notes.push(
      ...describeParking(how, { hash, project, leg, outcome, unfinished: stopped?.unfinished ?? [] }),
    );
    return how;
  } catch (error) {
    notes.push(`${project} could not be kept: ${messageOf(error)}`);
    return 'lost';
  }
}

const reasonNotKept = ({ record, outcome }: Ending): string => {
  if (record.hash === null) return 'nothing is kept of it, since var/resume is off for it';
  return outcome === 'interrupted-early'
    ? 'its build script had not begun, so nothing is kept'
    : 'nothing is kept';
};

function describeParking(
  how: ParkResult,
  parked: {
    readonly hash: ProjectHash;
    readonly project: string;
    readonly leg: Leg;
    readonly outcome: Outcome;
    readonly unfinished: readonly string[];
  },
): string[] {
  const { hash, project, leg, outcome } = parked;
  if (how === 'already-kept') {
    return [`${project}: more work is kept under ${hash} already, by another build; this one is removed`];
  }
  const why = {
    interrupted:
      leg.stoppedIn === null
        ? 'interrupted between two scripts'
        : `interrupted during ${leg.stoppedIn}${leg.place === null ? '' : `, ${leg.place}`}`,
    'get-failed': 'its output could not be copied out',
  }[outcome as string];
  const notes = [`${project} ${why ?? 'did not start'}; its root filesystem is kept under ${hash}`];
  if (how === 'copy') {
    notes.push(
      'the store lies on another file system than tmp_dir, so the tree was copied: this took longer',
    );
  }
  if (leg.removedFiles.length > 0) {
    notes.push(
      `removed, since they were being written when a process was killed: ${leg.removedFiles.join(', ')}`,
    );
  }
  for (const configure of parked.unfinished) {
    notes.push(
      `cut off: ${configure}; where make takes its folder for configured, the build fails when it goes on ` +
        '(a larger --finish-statement, and --grace of 2.5 times as much, gives it longer)',
    );
  }
  return notes;
}

function legOf(
  record: LiveRecord,
  how: { readonly ends: ReadonlyMap<string, ScriptEnd>; readonly stopped: StoppedFile | null },
): Leg {
  const endedAt = new Date();
  const stoppedIn = [...how.ends].find(([, end]) => end === 'interrupted')?.[0] ?? null;
  const ended = [...how.ends].filter(([name, end]) => name !== 'get' && end === 0).length;
  const hasWorked = stoppedIn !== null || ended > record.endedBefore;
  return {
    startedAt: record.startedAt,
    endedAt: endedAt.toISOString(),
    // One that has only restored a tree has brought nothing on, and must not pass for the one with more work in it.
    seconds: hasWorked ? secondsFrom(record.startedAt, endedAt) : 0,
    stoppedIn,
    place: how.stopped?.place ?? null,
    division: how.stopped?.place == null ? null : DIVISION,
    escalation: how.stopped?.escalation ?? null,
    removedFiles: how.stopped?.removedFiles ?? [],
    jobClass: record.jobClass,
    builder: record.builder ?? null,
    from: originOf(record),
  };
}

/** The newest snapshot below the tree that a build goes on in, and who has signed it. */
export const originOf = ({ resumed, snapshot, signer }: LiveRecord): Leg['from'] =>
  resumed && snapshot !== null ? { ...snapshot, signer } : null;
