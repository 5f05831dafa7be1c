import { resolve } from 'node:path';
import type { Command } from 'commander';
import { RbmResumeError } from '../errors.js';
import { parseRemote, type Remote } from '../registry/remote.js';
import { findWorkspaceOption } from './find-store.js';

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

/** The registry that is meant: `given`, else `RBM_RESUME_REMOTE`, else `var/resume_remote`; `null` when there is none. */
export async function findRemote(given: string | undefined, flags: RemoteFlags): Promise<Remote | null> {
  const found = await findWorkspaceOption(given ?? process.env.RBM_RESUME_REMOTE, 'resume_remote');
  return found === null ? null : remoteOf(found.value, flags);
}

function parseBoolean(text: string | undefined): boolean | null {
  if (text === undefined || text === '') return null;
  if (text === 'true' || text === 'false') return text === 'true';
  throw new RbmResumeError('USAGE', `--tls-verify is true or false, not "${text}"`);
}

/** What `run` hands on to the hooks, and so to skopeo. */
export const remoteEnvironment = (remote: Remote | null): Record<string, string> =>
  remote === null
    ? {}
    : {
        RBM_RESUME_REMOTE: remote.url,
        ...(remote.tlsVerify === null ? {} : { RBM_RESUME_TLS_VERIFY: String(remote.tlsVerify) }),
        ...(remote.authFile === null ? {} : { REGISTRY_AUTH_FILE: remote.authFile }),
      };
