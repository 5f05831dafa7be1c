import { EXIT } from '../errors.js';
import type { RunEvent } from './run-directory.js';

/** `asked`: by `RunOptions.interruptSignal`. */
export type InterruptReason = 'deadline' | 'cancelled' | 'asked';

export interface RunResult {
  readonly outcome:
    'finished' | 'interrupted-and-kept' | 'interrupted-nothing-kept' | 'interrupted-and-lost' | 'failed';
  /** What the command ends with; see `EXIT`. */
  readonly exitStatus: number;
  readonly rbmStatus: number | null;
  readonly rbmSignal: NodeJS.Signals | null;
  readonly interruptedBy: InterruptReason | null;
  readonly containers: readonly RunEvent[];
}

/** What a run comes to, by how rbm ended and by what the exit hooks have told. */
export function judgeRun(end: {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly interruptedBy: RunResult['interruptedBy'];
  readonly containers: readonly RunEvent[];
}): Pick<RunResult, 'outcome' | 'exitStatus' | 'rbmStatus'> {
  const { status, containers } = end;
  const rbmStatus = status;
  const isInterrupted = containers.some(
    ({ outcome }) => outcome === 'interrupted' || outcome === 'interrupted-early',
  );
  // A script around rbm may hide its status (`rbm build x || true`); an interrupted build is not finished all the same.
  if (status === 0 && !isInterrupted) return { outcome: 'finished', exitStatus: EXIT.finished, rbmStatus };
  const asked = end.interruptedBy !== null || isInterrupted;
  if (asked && containers.some(({ kept }) => kept)) {
    return { outcome: 'interrupted-and-kept', exitStatus: EXIT.interruptedAndKept, rbmStatus };
  }
  const hasFailed = containers.some(({ outcome }) => outcome === 'failed' || outcome === 'get-failed');
  if (asked && containers.some(({ lost }) => lost)) {
    return { outcome: 'interrupted-and-lost', exitStatus: EXIT.io, rbmStatus };
  }
  if (asked && !hasFailed) {
    return { outcome: 'interrupted-nothing-kept', exitStatus: EXIT.interruptedNothingKept, rbmStatus };
  }
  return { outcome: 'failed', exitStatus: statusOfFailure(status), rbmStatus };
}

/** rbm's own status, unless it would be taken for one of ours that means "interrupted". */
function statusOfFailure(status: number | null): number {
  const isOurs = status === EXIT.interruptedAndKept || status === EXIT.interruptedNothingKept;
  return status === null || status === 0 || isOurs ? 1 : status;
}
