import { isDigest, isProjectHash, type Digest, type ProjectHash } from '../digest.js';
import { hexOf } from '../digest.js';
import { RbmResumeError } from '../errors.js';
import { shownText } from '../rootfs/entry.js';
import { isJobClass, kindOf, type JobClass } from '../trust/job-class.js';
import { mayResume, type Trust } from '../trust/judge.js';

/** A repository of an OCI registry. */
export interface Remote {
  /** Such as `oci://ghcr.io/namecoin/rbm-resume`. */
  readonly url: string;
  /** `HOST[:PORT]/PATH` */
  readonly repository: string;
  /** `false`: plain http, or a certificate that nobody vouches for. `null`: as skopeo is configured. */
  readonly tlsVerify: boolean | null;
  /** The file with the credentials; `null`: where skopeo looks for it. */
  readonly authFile: string | null;
}

const HOST = String.raw`(?:[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*|\[[0-9a-fA-F:]+\])(?::\d{1,5})?`;
const COMPONENT = String.raw`[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*`;
/** Source: distribution/reference, reference.go. */
const REPOSITORY = new RegExp(`^(${HOST})/${COMPONENT}(?:/${COMPONENT})*$`);

/**
 * Reads `oci://HOST[:PORT]/PATH`.
 * @throws RbmResumeError `USAGE`
 */
export function parseRemote(
  url: string,
  how: { readonly tlsVerify?: boolean | null; readonly authFile?: string | null } = {},
): Remote {
  const repository = /^oci:\/\/(.*)$/s.exec(url)?.[1];
  const [, host] = REPOSITORY.exec(repository ?? '') ?? [];
  // Of a first word without a dot or a port, skopeo would make a folder of Docker Hub.
  const isHost = host !== undefined && (/[.:]/.test(host) || host === 'localhost');
  if (repository === undefined || !isHost || repository.length > 255) {
    throw new RbmResumeError('USAGE', `not a repository of a registry: ${shownText(withoutSecret(url))}`, {
      hint: 'Such as oci://ghcr.io/namecoin/rbm-resume, in lower case, without a tag. Credentials: `skopeo login`, or --authfile.',
    });
  }
  return { url, repository, tlsVerify: how.tlsVerify ?? null, authFile: how.authFile ?? null };
}

/** A password may have any letter in it. */
const withoutSecret = (url: string): string => url.replace(/\/\/.*@/s, '//…@');

/** Under which tag a job leaves the snapshot of a build: `pr-12-HASH`, `branch-HASH`, without a class `local-HASH`. */
export const tagOf = (hash: ProjectHash, jobClass: JobClass | null): string =>
  `${jobClass === null ? NO_CLASS : jobClass.replace('/', '-')}-${hash}`;

const NO_CLASS = 'local';

/** What a tag says, or `null` when it is none of {@link tagOf}. */
export function parseTag(
  tag: string,
): { readonly hash: ProjectHash; readonly jobClass: JobClass | null } | null {
  const [, name = '', hash = ''] = /^(.+)-([0-9a-f]{64})$/.exec(tag) ?? [];
  if (!isProjectHash(hash)) return null;
  if (name === NO_CLASS) return { hash, jobClass: null };
  const jobClass = name.replace(/^pr-/, 'pr/');
  return isJobClass(jobClass) ? { hash, jobClass } : null;
}

/**
 * Where a job looks for a build: under the tag of its own class, then under those of the classes from which its policy takes
 * snapshots. What lies there is judged all the same. Of pull requests it knows its own alone.
 */
export function tagsFor(hash: ProjectHash, trust: Trust): string[] {
  const { policy, jobClass } = trust;
  if (!mayResume(trust)) return [];
  const kinds = policy === null || jobClass === null ? [] : policy.accept[kindOf(jobClass)];
  const classes = kinds.flatMap((kind) => (kind === 'pr' ? [] : [kind]));
  return [...new Set([jobClass, ...classes])].map((one) => tagOf(hash, one));
}

/** Under which tag lies what belongs to the manifest of a snapshot and is no part of the image, as cosign names it. */
export const companionTagOf = (manifest: Digest): string => `sha256-${hexOf(manifest)}.att`;

/** Whose companion has such a tag; `null` when it is none of {@link companionTagOf}. */
export function parseCompanionTag(tag: string): Digest | null {
  const digest = `sha256:${/^sha256-([0-9a-f]{64})\.att$/.exec(tag)?.[1]}`;
  return isDigest(digest) ? digest : null;
}
