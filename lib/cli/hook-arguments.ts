import { spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { RbmResumeError, messageOf } from '../errors.js';
import type { Remote } from '../registry/remote.js';
import { remoteOf } from './remote-flags.js';
import type { Trust } from '../trust/judge.js';
import { loadTrustOrNone } from '../trust/load-trust.js';
import { RunDirectory } from '../container/run-directory.js';
import { toIoFailure } from '../system-error.js';

/** The value of an option or of its environment variable, as an absolute path. */
export function requiredPath(value: string | undefined, names: string): string {
  if (value === undefined || value === '') {
    throw new RbmResumeError('USAGE', `${names} is missing`, {
      hint: 'docs/hooks.md lists what the hooks take.',
    });
  }
  return resolve(value);
}

/** By what the hook judges snapshots; what is wrong with it costs no build. */
export function trustOf(
  given: { readonly policy: string | undefined; readonly class: string | undefined },
  store: string,
): Promise<Trust> {
  const { RBM_RESUME_POLICY, RBM_RESUME_CLASS } = process.env;
  const policy = given.policy ?? RBM_RESUME_POLICY ?? '';
  const jobClass = given.class ?? RBM_RESUME_CLASS ?? '';
  return loadTrustOrNone({
    policy: policy === '' ? null : resolve(policy),
    jobClass: jobClass === '' ? null : jobClass,
    store,
  });
}

/** The registry that the environment names; a name that is none costs no build. */
export function currentRemote(): Remote | null {
  const { RBM_RESUME_REMOTE: url = '', RBM_RESUME_TLS_VERIFY: tlsVerify } = process.env;
  if (url === '') return null;
  try {
    // The credentials are for skopeo to find: REGISTRY_AUTH_FILE.
    return remoteOf(url, tlsVerify === undefined ? {} : { tlsVerify });
  } catch (error) {
    say(`no registry is used: ${messageOf(error)}`);
    return null;
  }
}

/** The run that the hook belongs to, when `rbm-resume run` started the rbm above it. */
export function currentRun(): RunDirectory | null {
  const path = process.env[RunDirectory.variable];
  return path === undefined || path === '' ? null : new RunDirectory(path);
}

/**
 * Runs a program of rbm's (it removes containers, or makes clean ones) with this process' own output and environment.
 * Resolves to its exit status, 1 when it could not be started or was killed.
 */
export function runLower(program: string): Promise<number> {
  return new Promise((done) => {
    const child = spawn(program, [], { stdio: ['ignore', 'inherit', 'inherit'] });
    child.on('error', (error) => {
      say(`cannot start ${program}: ${error.message}`);
      done(1);
    });
    child.on('close', (status) => done(status ?? 1));
  });
}

/** One line of the log. */
export const say = (line: string): void => {
  process.stderr.write(`rbm-resume: ${line}\n`);
};

/** Runs a hook to its end; what it throws is told, with a stack where it is a bug, and becomes its exit status. */
export async function runHook(main: () => Promise<number>): Promise<void> {
  try {
    process.exitCode = await main();
  } catch (thrown) {
    const error = toIoFailure(thrown, 'the hook could not go on');
    if (error instanceof RbmResumeError) {
      say(messageOf(error));
      if (error.hint !== undefined) say(error.hint);
      process.exitCode = error.exitStatus;
    } else {
      say(error instanceof Error ? (error.stack ?? error.message) : String(error));
      process.exitCode = 70;
    }
  }
}
