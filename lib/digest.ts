import { createHash } from 'node:crypto';
import { RbmResumeError } from './errors.js';

declare const brand: unique symbol;

/** 64 lower-case hex digits that name one described build: the key under which its root filesystem is kept. */
export type ProjectHash = string & { readonly [brand]: 'ProjectHash' };

/**
 * Reads a project hash.
 * @throws RbmResumeError `BAD_PROJECT_HASH` when `text` is not 64 lower-case hex digits
 */
export function parseProjectHash(text: string): ProjectHash {
  if (!isProjectHash(text)) {
    throw new RbmResumeError('BAD_PROJECT_HASH', `not a project hash: ${JSON.stringify(text)}`, {
      hint: 'A project hash is 64 lower-case hex digits; `rbm-resume list` prints those that are kept.',
    });
  }
  return text;
}

/**
 * The name of a blob by its content: `sha256:` and 64 lower-case hex digits. Source: OCI image-spec, descriptor.md,
 * "Digests"; of the algorithms registered there only this one is accepted.
 */
export type Digest = string & { readonly [brand]: 'Digest' };

/**
 * Reads a digest.
 * @throws RbmResumeError `BAD_DIGEST` when `text` is anything but `sha256:` and 64 lower-case hex digits
 */
export function parseDigest(text: string): Digest {
  if (!isDigest(text)) {
    throw new RbmResumeError('BAD_DIGEST', `not a sha256 digest: ${JSON.stringify(text)}`, {
      hint: 'A digest is `sha256:` followed by 64 lower-case hex digits.',
    });
  }
  return text;
}

export const isDigest = (text: string): text is Digest => /^sha256:[0-9a-f]{64}$/.test(text);

/** The digest of `data` (text is taken as UTF-8). */
export const digestOf = (data: string | Uint8Array): Digest => `sha256:${sha256Hex(data)}` as Digest;

/** The hex digits of a digest: the name of its file among the blobs. */
export const hexOf = (digest: Digest): string => digest.slice('sha256:'.length);

export const isProjectHash = (text: string): text is ProjectHash => /^[0-9a-f]{64}$/.test(text);

/** The SHA-256 of `data` (text is taken as UTF-8), as 64 hex digits. */
export const sha256Hex = (data: string | Uint8Array): string =>
  createHash('sha256').update(data).digest('hex');
