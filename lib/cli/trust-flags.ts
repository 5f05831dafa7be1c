import { resolve } from 'node:path';
import type { Command } from 'commander';
import { RbmResumeError } from '../errors.js';
import { parseJobClass, type JobClass } from '../trust/job-class.js';
import type { Trust } from '../trust/judge.js';
import { readSigningKey } from '../trust/keys.js';
import { loadTrust, loadTrustOrNone, type TrustSource } from '../trust/load-trust.js';
import type { Signing } from '../trust/sign.js';
import { parseDuration } from './duration.js';
import { findStore, findWorkspaceOption } from './find-store.js';
import { printNote } from './output.js';

export interface TrustFlags {
  readonly policy?: string;
  readonly class?: string;
}

export interface SigningFlags extends TrustFlags {
  readonly signKey?: string;
  readonly signKeyFd?: string;
  readonly builder?: string;
  readonly expires?: string;
}

/** Adds `--policy` and `--class`. */
export const withTrustFlags = (command: Command): Command =>
  command
    .option(
      '--policy <file>',
      'whose snapshots are used (default: $RBM_RESUME_POLICY, else var/resume_policy)',
    )
    .option(
      '--class <class>',
      'of this job: pr/N, branch, protected or release (default: $RBM_RESUME_CLASS, else var/resume_class)',
    );

/** Adds the options that say who signs. */
export const withSigningFlags = (command: Command): Command =>
  command
    .option('--sign-key <file>', 'sign with this private key, see keygen')
    .option('--sign-key-fd <number>', 'sign with the private key that this descriptor gives')
    .option('--builder <text>', 'of a signature: which job or machine this is')
    .option('--expires <span>', 'of a signature: how long it counts', '30d');

/**
 * By what the command judges, from the command line, the environment or the workspace.
 * @throws RbmResumeError `BAD_POLICY`, `USAGE`
 */
export const findTrust = async (flags: TrustFlags, store: string): Promise<Trust> =>
  loadTrust(await findSource(flags, store));

/** {@link findTrust} for packing, which must not fail for a policy: then nothing is displaced, and a line says why. */
export async function findTrustOrNone(flags: TrustFlags, store: string): Promise<Trust> {
  const trust = await loadTrustOrNone(await findSource(flags, store));
  if (trust.trouble !== null) printNote(`what was packed before stays: ${trust.trouble}`);
  return trust;
}

/**
 * Looks at a policy that the command line names before anything is built: the hooks, which may not fail a build, would only
 * start it clean.
 * @throws RbmResumeError `BAD_POLICY`, `USAGE`
 */
export async function checkPolicy(flags: TrustFlags, store: string | undefined): Promise<void> {
  if (flags.policy === undefined || flags.policy === '') return;
  // Started from elsewhere, rbm finds its workspace for itself, and the hooks the store.
  const found = await findStore(store).catch((error: unknown) => {
    if (error instanceof RbmResumeError && error.code === 'NO_WORKSPACE') return null;
    throw error;
  });
  if (found !== null) await findTrust(flags, found);
}

async function findSource(flags: TrustFlags, store: string): Promise<TrustSource> {
  const policy = await findWorkspaceOption(flags.policy ?? process.env.RBM_RESUME_POLICY, 'resume_policy');
  return { policy: policy === null ? null : resolvePolicy(policy), jobClass: await findClass(flags), store };
}

const resolvePolicy = ({ value, dir }: { readonly value: string; readonly dir: string }): string =>
  resolve(dir, value);

async function findClass(flags: TrustFlags): Promise<string | null> {
  const found = await findWorkspaceOption(flags.class ?? process.env.RBM_RESUME_CLASS, 'resume_class');
  return found?.value ?? null;
}

/**
 * Who signs, or `null`. The key is read at once, and its descriptor closed: nothing that is started later can have it.
 * @throws RbmResumeError `USAGE`, `BAD_KEY`
 */
export async function readSigning(flags: SigningFlags): Promise<Signing | null> {
  const { signKey, signKeyFd } = flags;
  if (signKey === undefined && signKeyFd === undefined) {
    if (flags.builder === undefined) return null;
    throw new RbmResumeError('USAGE', '--builder belongs to a signature', { hint: 'Add --sign-key.' });
  }
  if (signKey !== undefined && signKeyFd !== undefined) {
    throw new RbmResumeError('USAGE', '--sign-key and --sign-key-fd exclude each other', {
      hint: 'Give one of them.',
    });
  }
  // First of all: whatever is wrong with the rest, the descriptor does not stay open.
  const key = readSigningKey(
    signKey === undefined ? { descriptor: descriptorOf(signKeyFd ?? '') } : { file: resolve(signKey) },
  );
  const jobClass = await requireClass(flags);
  const expiresInMs = parseDuration(flags.expires ?? '30d');
  return { key, jobClass, builder: flags.builder ?? null, expiresInMs };
}

const descriptorOf = (text: string): number => (/^\d{1,6}$/.test(text) ? Number(text) : NaN);

async function requireClass(flags: TrustFlags): Promise<JobClass> {
  const text = await findClass(flags);
  if (text !== null) return parseJobClass(text);
  throw new RbmResumeError('USAGE', 'a signature says of which class the job is, and nobody has told', {
    hint: 'Add --class pr/N, branch, protected or release.',
  });
}

/** What `run` hands on to the hooks. @throws RbmResumeError `USAGE` for a class that is none */
export const trustEnvironment = (flags: TrustFlags): Record<string, string> => ({
  ...(flags.policy === undefined ? {} : { RBM_RESUME_POLICY: flags.policy && resolve(flags.policy) }),
  ...(flags.class === undefined ? {} : { RBM_RESUME_CLASS: parseJobClass(flags.class) }),
});
