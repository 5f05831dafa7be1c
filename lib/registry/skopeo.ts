import { digestOf, type Digest } from '../digest.js';
import { messageOf, RbmResumeError } from '../errors.js';
import { exec, ownEnvironment, type ExecResult } from '../exec.js';
import { damagedRemote, isDamage, isUnknown, lastMessage, remoteFailed } from './failures.js';
import type { Remote } from './remote.js';
import { watchProgress } from './watchdog.js';

/** After so many milliseconds in which hardly anything moves, skopeo is ended. */
export const DEFAULT_STALL_MS = 300_000;

/** A question, which moves no blobs, does not wait so long. */
const QUESTION_STALL_MS = 60_000;

export interface RegistryOptions {
  /** How long a transfer may stand still, in milliseconds. @default {@link DEFAULT_STALL_MS} */
  readonly stallMs?: number | undefined;
  /** Gives up at once. */
  readonly signal?: AbortSignal | undefined;
}

/** `:TAG` or `@DIGEST`. */
export type Reference = `:${string}` | `@${Digest}`;

/**
 * What a repository of a registry can do, by skopeo. Every method
 * @throws RbmResumeError `COMMAND_NOT_FOUND` without skopeo; `REMOTE_FAILED` when the registry can't be reached, refuses, is full, or
 *   stands still; the signal's reason
 */
export interface Registry {
  readonly remote: Remote;
  /** The bytes of a manifest, at most 4 MiB, and their digest; `null` when there is none. */
  readManifest(of: Reference): Promise<{ readonly bytes: Buffer; readonly digest: Digest } | null>;
  /** The bytes of the config of an image. @throws RbmResumeError also `DAMAGED_REMOTE` */
  readConfig(of: Reference): Promise<Buffer>;
  /**
   * Copies an image with all digests as they are into the OCI layout `layout` below `cwd`. Blobs that lie there do not travel.
   * @throws RbmResumeError also `DAMAGED_REMOTE`
   */
  fetch(from: Reference, to: LayoutReference): Promise<void>;
  /** Copies an image of an OCI layout so. Blobs that the registry has do not travel. @throws RbmResumeError also `DAMAGED_BLOB` */
  send(from: LayoutReference, toTag: string): Promise<void>;
  /** None where the repository does not exist. */
  listTags(): Promise<string[]>;
  /** @returns whether there was such a manifest */
  remove(what: Reference): Promise<boolean>;
}

/** An image in the OCI layout `cwd/layout`; a relative name, since skopeo takes a colon in a path for its end. */
export interface LayoutReference {
  readonly cwd: string;
  readonly name: string;
}

export const LAYOUT = 'layout';

const QUIET_COPY = ['copy', '--quiet', '--preserve-digests', '--remove-signatures'] as const;

/** Opens a repository; nobody is asked yet. */
export function openRegistry(remote: Remote, options: RegistryOptions = {}): Registry {
  const run = (args: readonly string[], doing: string, cwd?: string): Promise<ExecResult> =>
    runSkopeo(remote, args, { ...options, doing, cwd });
  const access = (side: '' | 'src-' | 'dest-' = ''): string[] => [
    '--retry-times=2',
    ...(remote.tlsVerify === null ? [] : [`--${side}tls-verify=${remote.tlsVerify}`]),
    ...(remote.authFile === null ? [] : [`--${side}authfile=${remote.authFile}`]),
  ];
  const url = (of: Reference | '') => `docker://${remote.repository}${of}`;
  return {
    remote,
    readManifest: async (of) => {
      const doing = 'cannot ask';
      const result = await run(['inspect', '--raw', ...access(), url(of)], doing);
      if (result.status === 0) return { bytes: result.stdout, digest: digestOf(result.stdout) };
      const said = lastMessage(result.stderr);
      if (isUnknown(said)) return null;
      throw remoteFailed(remote, doing, said);
    },
    readConfig: async (of) => {
      const doing = 'cannot ask';
      const result = await run(['inspect', '--raw', '--config', ...access(), url(of)], doing);
      if (result.status === 0) return result.stdout;
      throw failedTransfer(remote, of, { doing, said: lastMessage(result.stderr) });
    },
    fetch: async (from, { cwd, name }) => {
      const doing = 'cannot pull from';
      const asItIs = '--dest-oci-accept-uncompressed-layers';
      const args = [...QUIET_COPY, asItIs, ...access('src-'), url(from), `oci:${LAYOUT}:${name}`];
      const result = await run(args, doing, cwd);
      if (result.status !== 0)
        throw failedTransfer(remote, from, { doing, said: lastMessage(result.stderr) });
    },
    send: async ({ cwd, name }, toTag) => {
      const doing = 'cannot push to';
      const args = [...QUIET_COPY, ...access('dest-'), `oci:${LAYOUT}:${name}`, url(`:${toTag}`)];
      const result = await run(args, doing, cwd);
      if (result.status !== 0) throw remoteFailed(remote, doing, lastMessage(result.stderr));
    },
    listTags: async () => {
      const doing = 'cannot list';
      const result = await run(['list-tags', ...access(), url('')], doing);
      if (result.status === 0) return readTags(remote, result.stdout.toString());
      const said = lastMessage(result.stderr);
      if (isUnknown(said)) return [];
      throw remoteFailed(remote, doing, said);
    },
    remove: async (what) => {
      const doing = `cannot remove ${what.slice(1)} from`;
      const result = await run(['delete', ...access(), url(what)], doing);
      if (result.status === 0) return true;
      const said = lastMessage(result.stderr);
      if (isUnknown(said) || /Image may not exist/.test(said)) return false;
      throw remoteFailed(remote, doing, said);
    },
  };
}

const failedTransfer = (
  remote: Remote,
  of: Reference,
  { doing, said }: { readonly doing: string; readonly said: string },
): RbmResumeError =>
  isDamage(said) || isUnknown(said)
    ? damagedRemote(remote, of.slice(1), { what: said })
    : remoteFailed(remote, doing, said);

/** What is none can't be asked for. Source: distribution-spec 1.1, "Pulling manifests". */
const isTag = (tag: unknown): tag is string => typeof tag === 'string' && /^\w[\w.-]{0,127}$/.test(tag);

function readTags(remote: Remote, text: string): string[] {
  try {
    const { Tags: tags } = JSON.parse(text) as { Tags: unknown };
    if (Array.isArray(tags)) return tags.filter(isTag);
  } catch {
    // Told below.
  }
  throw remoteFailed(remote, 'cannot list', 'skopeo prints no list of tags');
}

/**
 * Runs skopeo with the caller's own environment: its credentials, helpers, proxies and certificates are named there.
 * The statuses 1 and 2 are left to the caller.
 */
async function runSkopeo(
  remote: Remote,
  args: readonly string[],
  how: RegistryOptions & { readonly doing: string; readonly cwd: string | undefined },
): Promise<ExecResult> {
  const { doing } = how;
  const longest = args[0] === 'copy' ? DEFAULT_STALL_MS : QUESTION_STALL_MS;
  const stallMs = Math.min(how.stallMs ?? longest, longest);
  const [over, stalled] = [new AbortController(), new AbortController()];
  const onStall = () => {
    const seconds = Math.round(stallMs / 1000);
    stalled.abort(remoteFailed(remote, doing, `hardly anything has moved for ${seconds} s`));
  };
  try {
    return await exec(['skopeo', ...args], {
      ...(how.cwd === undefined ? {} : { cwd: how.cwd }),
      env: { ...ownEnvironment(), LC_ALL: 'C' },
      okStatuses: [1, 2],
      allowStderr: true,
      signal: how.signal === undefined ? stalled.signal : AbortSignal.any([how.signal, stalled.signal]),
      onStarted: (pid) => watchProgress(pid, { stallMs, over: over.signal, onStall }),
    });
  } catch (error) {
    if (error instanceof RbmResumeError && error.code === 'COMMAND_NOT_FOUND') {
      const hint = 'It moves snapshots to and from registries: `apt-get install skopeo`.';
      throw new RbmResumeError('COMMAND_NOT_FOUND', error.message, { hint, cause: error });
    }
    if (error instanceof RbmResumeError && error.code === 'COMMAND_FAILED')
      throw remoteFailed(remote, doing, messageOf(error));
    throw error;
  } finally {
    over.abort();
  }
}
