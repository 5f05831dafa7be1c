import type { ProjectHash } from '../digest.js';
import { messageOf } from '../errors.js';
import { pullSnapshot, type PullOptions, type TagOutcome } from './pull.js';
import { tagOf, type Remote } from './remote.js';
import { traceTo } from '../trace.js';

const trace = traceTo('registry');

/** What a build learns of a registry before it starts. */
export interface AskedRegistry {
  /** What a person should know, one line each. */
  readonly notes: readonly string[];
  /** Whether there may be something under the tag of the job's own class, which is to go once the build has succeeded. */
  readonly mayHold: boolean;
}

/**
 * Takes what a registry has for a build into the store, if the job may use it. Nothing that goes wrong here is more than a line: the
 * build goes on without.
 */
export async function pullForBuild(
  store: string,
  hash: ProjectHash,
  from: { readonly remote: Remote } & PullOptions,
): Promise<AskedRegistry> {
  const { remote, trust } = from;
  // A job that can judge nothing takes nothing; why, is told where the store is looked at.
  if (trust !== undefined && trust.trouble !== null) return { notes: [], mayHold: true };
  try {
    const { tags } = await pullSnapshot(store, hash, from);
    const own = tagOf(hash, trust?.jobClass ?? null);
    return {
      notes: tags.flatMap((found) => describe(found, remote)),
      mayHold: tags.some(({ tag, how }) => tag === own && how !== 'nothing'),
    };
  } catch (error) {
    trace('pulling %s from %s: %o', hash, remote.url, error);
    return {
      notes: [`nothing was pulled, and the build goes on without: ${messageOf(error)}`],
      mayHold: true,
    };
  }
}

function describe(found: TagOutcome, { url }: Remote): string[] {
  const snapshot = 'entry' in found ? `the snapshot ${found.entry.hash}@${found.entry.generation}` : '';
  switch (found.how) {
    case 'nothing':
      return [`${url} has nothing under ${found.tag}`];
    case 'damaged':
      return [found.reason];
    case 'out-of-use':
      return [`${found.tag} of ${url} is not used: ${found.reason}`];
    case 'refused':
      return [`${snapshot} of ${url} is not used: ${found.reason}`];
    case 'skipped':
      return [`${snapshot} of ${url} is not needed: the store has it, or better`];
    case 'taken':
      return [`${snapshot} was pulled from ${url} (${found.result.bytes} bytes)`];
  }
}
