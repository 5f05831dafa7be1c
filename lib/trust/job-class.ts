import { RbmResumeError } from '../errors.js';

/** What a class of job can be, without the number of a pull request. */
export const JOB_KINDS = ['pr', 'branch', 'protected', 'release'] as const;
export type JobKind = (typeof JOB_KINDS)[number];

/**
 * How far a job is trusted: one that anybody can start with a pull request (`pr/N`), one of a branch, of a protected
 * branch, or one that makes a release.
 */
export type JobClass = `pr/${number}` | Exclude<JobKind, 'pr'>;

/**
 * Reads a class of job.
 * @throws RbmResumeError `USAGE`
 */
export function parseJobClass(text: string): JobClass {
  if (isJobClass(text)) return text;
  throw new RbmResumeError('USAGE', `not a class of job: ${JSON.stringify(text)}`, {
    hint: 'It can be pr/N (N is the number of the pull request), branch, protected or release.',
  });
}

export const isJobClass = (text: string): text is JobClass =>
  ['branch', 'protected', 'release'].includes(text) || /^pr\/[1-9]\d{0,9}$/.test(text);

export const kindOf = (jobClass: JobClass): JobKind => JOB_KINDS.find((kind) => kind === jobClass) ?? 'pr';
