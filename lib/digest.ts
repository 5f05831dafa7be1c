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

export const isProjectHash = (text: string): text is ProjectHash => /^[0-9a-f]{64}$/.test(text);

/** The SHA-256 of `data` (text is taken as UTF-8), as 64 hex digits. */
export const sha256Hex = (data: string | Uint8Array): string =>
  createHash('sha256').update(data).digest('hex');
