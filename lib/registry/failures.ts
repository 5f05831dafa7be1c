import { RbmResumeError } from '../errors.js';
import { shownText } from '../rootfs/entry.js';
import type { Remote } from './remote.js';

/**
 * What skopeo says at the end of its standard error, as one line: the text of its last message, without what a URL may hold
 * besides its path (signatures of a blob's real place).
 */
export function lastMessage(stderr: string): string {
  const line = stderr.trim().split('\n').at(-1) ?? '';
  // logrus without a terminal: time="…" level=fatal msg="…", quoted as Go does.
  const [, quoted] = /\bmsg=("(?:[^"\\]|\\.)*")/.exec(line) ?? [];
  return shownText((quoted === undefined ? line : unquote(quoted)).replace(/\?[^\s"]*/g, '?…'));
}

function unquote(quoted: string): string {
  try {
    return String(JSON.parse(quoted));
  } catch {
    return quoted.slice(1, -1);
  }
}

/** That there is no such manifest, or no such repository. */
export const isUnknown = (said: string): boolean =>
  /reading manifest .*(manifest unknown|name unknown|not found|NotFound|404)/is.test(said) ||
  /fetching tags list: .*(404|name unknown)/is.test(said);

/** That the bytes of a blob are others than its digest says, or that it is gone while its manifest is there. */
export const isDamage = (said: string): boolean =>
  /did(n't| not) match|does not match|digest mismatch|blob unknown|(fetching|reading) (config )?blob.*\b404\b/is.test(
    said,
  );

/** The error for what a registry, or skopeo, has refused or not finished. */
export function remoteFailed(remote: Remote, doing: string, said: string): RbmResumeError {
  return new RbmResumeError('REMOTE_FAILED', `${doing} ${remote.url}: ${said}`, {
    hint: hintOf(said),
    fields: { remote: remote.url, said },
  });
}

function hintOf(said: string): string {
  if (/unauthorized|authentication required|denied|forbidden|\b40[13]\b|credential/i.test(said))
    return 'Log in with `skopeo login`, or name the file with the credentials: --authfile, or REGISTRY_AUTH_FILE.';
  if (/HTTP response to HTTPS client|x509|certificate/i.test(said))
    return 'A registry without TLS, or with a certificate of its own, needs --tls-verify=false or a line in registries.conf.';
  return 'What is kept here stays. Try again when the registry can be reached and has room.';
}

/** The error for what lies in a registry and can't be what its tag says. */
export const damagedRemote = (
  remote: Remote,
  name: string,
  { what, cause }: { readonly what: string; readonly cause?: unknown },
): RbmResumeError =>
  new RbmResumeError('DAMAGED_REMOTE', `${name} of ${remote.url} can't be used: ${what}`, {
    hint: 'Nothing of it was taken. The next push replaces it.',
    cause,
    fields: { remote: remote.url, name },
  });

/** That what lies there is to blame, and not the way to it. */
export const isDamagedRemote = (error: unknown): boolean =>
  error instanceof RbmResumeError && error.code === 'DAMAGED_REMOTE';
