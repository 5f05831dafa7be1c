import { resolve } from 'node:path';
import type { Command } from 'commander';
import { RbmResumeError } from '../errors.js';
import { parseRemote, type Remote } from '../registry/remote.js';
import { findWorkspaceOption } from './find-store.js';
import { printNote } from './output.js';

export interface RemoteFlags {
  readonly tlsVerify?: string;
  readonly authfile?: string;
}

/** Adds `--tls-verify` and `--authfile`, which are skopeo's own. */
export const withRemoteFlags = (command: Command): Command =>
  command
    .option(
      '--tls-verify <boolean>',
      'false: the registry speaks plain http, or nobody vouches for it (as for skopeo)',
    )
    .option('--authfile <file>', 'the credentials (default: $REGISTRY_AUTH_FILE, else where skopeo looks)');

/** The registry that is named on the command line. @throws RbmResumeError `USAGE` */
export const remoteOf = (url: string, flags: RemoteFlags): Remote =>
  parseRemote(url, {
    tlsVerify: parseBoolean(flags.tlsVerify ?? process.env.RBM_RESUME_TLS_VERIFY),
    authFile: flags.authfile === undefined ? null : resolve(flags.authfile),
  });

/**
 * The registry that is meant: `given` (the empty text: none), else `RBM_RESUME_REMOTE`, else `var/resume_remote`. What is wrong with
 * the latter two costs no build: a line says so, and none is used.
 * @throws RbmResumeError `USAGE`
 */
export async function findRemote(given: string | undefined, flags: RemoteFlags): Promise<Remote | null> {
  if (given !== undefined) return given === '' ? null : remoteOf(given, flags);
  const found = await findWorkspaceOption(process.env.RBM_RESUME_REMOTE, 'resume_remote');
  if (found === null) return null;
  try {
    return remoteOf(found.value, flags);
  } catch (error) {
    if (!(error instanceof RbmResumeError)) throw error;
    printNote(`no registry is used: ${error.message}`);
    return null;
  }
}

function parseBoolean(text: string | undefined): boolean | null {
  if (text === undefined || text === '') return null;
  if (text === 'true' || text === 'false') return text === 'true';
  throw new RbmResumeError('USAGE', `--tls-verify is true or false, not "${text}"`);
}

/** What `run` hands on to the hooks, and so to skopeo. @param given what the command line names */
export const remoteEnvironment = (
  given: string | undefined,
  { tlsVerify, authfile }: RemoteFlags,
): Record<string, string> => ({
  ...(given === undefined ? {} : { RBM_RESUME_REMOTE: given }),
  ...(tlsVerify === undefined ? {} : { RBM_RESUME_TLS_VERIFY: tlsVerify }),
  ...(authfile === undefined ? {} : { REGISTRY_AUTH_FILE: resolve(authfile) }),
});
