import { messageOf, RbmResumeError } from '../errors.js';
import { parseJobClass, type JobClass } from './job-class.js';
import type { Trust } from './judge.js';
import type { Policy } from './policy.js';

/** Where a job's policy and class come from: its own workspace or command line, never the store. */
export interface TrustSource {
  /** The policy file. */
  readonly policy: string | null;
  readonly jobClass: string | null;
  /** The store that will be judged, in which the policy may not lie. */
  readonly store: string;
}

/**
 * Reads by what a job judges.
 * @throws RbmResumeError `BAD_POLICY`; `USAGE` for a class that is none, or a policy without a class
 */
export async function loadTrust(source: TrustSource): Promise<Trust> {
  const jobClass = source.jobClass === null ? null : parseJobClass(source.jobClass);
  if (source.policy === null) return { policy: null, jobClass, trouble: null };
  // Found only when it is needed: most hooks have no policy, and need no parser of YAML.
  const { readPolicy } = await import('./policy.js');
  const policy = await readPolicy(source.policy, { store: source.store });
  if (jobClass === null) {
    throw new RbmResumeError('USAGE', 'there is a policy, and nobody says of which class this job is', {
      hint: 'Add --class, RBM_RESUME_CLASS or var/resume_class: pr/N, branch, protected or release.',
      fields: { policy: source.policy },
    });
  }
  return { policy, jobClass, trouble: null };
}

/** {@link loadTrust} for a build, which must not fail for it: it takes nothing then, and `trouble` says why. */
export async function loadTrustOrNone(source: TrustSource): Promise<Trust> {
  try {
    return await loadTrust(source);
  } catch (error) {
    if (!(error instanceof RbmResumeError)) throw error;
    return { policy: NOTHING, jobClass: classOrNone(source.jobClass), trouble: messageOf(error) };
  }
}

/** Takes nothing from anybody. */
const NOTHING: Policy = {
  file: '',
  keys: [],
  accept: { pr: [], branch: [], protected: [], release: [] },
  unsigned: [],
  maxAgeMs: null,
  releaseSigner: null,
};

function classOrNone(text: string | null): JobClass | null {
  try {
    return text === null ? null : parseJobClass(text);
  } catch {
    return null;
  }
}
