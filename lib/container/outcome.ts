import type { ScriptEnd } from '../store/live.js';

/** What is known when rbm has done with a container. */
export interface ContainerFacts {
  /** The scripts that the build has, in order; `null` when nobody said. */
  readonly expectedScripts: readonly string[] | null;
  /** How those that ran ended, `get` (the copying of the output) among them. */
  readonly ends: ReadonlyMap<string, ScriptEnd>;
  /** An interrupt was asked for, of this container or of the whole run. */
  readonly isInterruptAsked: boolean;
  /** It began in a tree that was kept. */
  readonly isResumed: boolean;
  /** rbm has used the container our way; a project may have its own `container/remote_exec`, which we never see. */
  readonly isWatched: boolean;
}

/**
 * How the build in a container ended:
 * - `succeeded`: every script ended with 0 and the output was copied out
 * - `interrupted`: stopped by an interrupt, with work in the tree that is worth keeping
 * - `interrupted-early`: stopped by an interrupt before the step's script began: a clean start costs nothing
 * - `get-failed`: every script ended with 0, only the output could not be copied out
 * - `never-ran`: no script ran, and nobody interrupted
 * - `unknown`: the container was not used our way, so nobody knows
 * - `failed`: anything else. Its tree is never built on: make leaves half a target behind when a recipe fails
 */
export type Outcome =
  'succeeded' | 'interrupted' | 'interrupted-early' | 'get-failed' | 'never-ran' | 'unknown' | 'failed';

/** Decides by the scripts' own ends alone: the statuses of the processes above them lie. */
export function decideOutcome(facts: ContainerFacts): Outcome {
  if (!facts.isWatched) return 'unknown';
  const scriptEnds = [...facts.ends].filter(([name]) => name !== 'get');
  const bad = scriptEnds.find(([, end]) => end !== 0);
  if (bad !== undefined) {
    if (bad[1] !== 'interrupted') return 'failed';
    // An apt-get that was stopped in the middle does not bear another one.
    return bad[0] === 'pre' ? 'interrupted-early' : 'interrupted';
  }
  const isComplete =
    facts.expectedScripts?.every((name) => facts.ends.get(name) === 0) ?? scriptEnds.length > 0;
  if (isComplete) {
    const got = facts.ends.get('get');
    // A project that overrides remote_get copies its output without our knowing.
    return got === undefined || got === 0 ? 'succeeded' : 'get-failed';
  }
  if (facts.isInterruptAsked) {
    const hasBegun = facts.isResumed || scriptEnds.some(([name]) => name !== 'pre');
    return hasBegun ? 'interrupted' : 'interrupted-early';
  }
  return scriptEnds.length === 0 ? 'never-ran' : 'failed';
}

/** Whether the tree of a build that ended so may be built on. */
export const isWorthKeeping = (outcome: Outcome, isResumed: boolean): boolean =>
  outcome === 'interrupted' || outcome === 'get-failed' || (outcome === 'never-ran' && isResumed);
