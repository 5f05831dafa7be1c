import type { Digest, ProjectHash } from '../digest.js';
import { signEnvelope } from './dsse.js';
import type { JobClass } from './job-class.js';
import type { SigningKey } from './keys.js';
import { makeStatement } from './statement.js';
import { DAY_MS } from '../time.js';

/** How long a snapshot is good for where nobody says otherwise, in milliseconds: 30 days. */
export const DEFAULT_EXPIRY_MS = 30 * DAY_MS;

/** Who signs a snapshot, and as what. */
export interface Signing {
  readonly key: SigningKey;
  readonly jobClass: JobClass;
  /** Which job or machine it is, for a person. @default null */
  readonly builder?: string | null;
  /** @default {@link DEFAULT_EXPIRY_MS} */
  readonly expiresInMs?: number;
  /** @default the present time */
  readonly now?: Date;
}

/** What is signed of a snapshot beside what {@link Signing} has. */
export interface SignedFacts {
  readonly manifest: Digest;
  readonly projectHash: ProjectHash;
  readonly generation: number;
  readonly baseDigest: Digest | null;
  readonly step: string | null;
  readonly treeDigest: Digest;
  readonly parent: Digest | null;
}

/** The attestation of a snapshot: a DSSE envelope over an in-toto statement, as JSON. */
export function attest({ manifest, ...facts }: SignedFacts, by: Signing): string {
  const now = by.now ?? new Date();
  const expires = new Date(now.getTime() + (by.expiresInMs ?? DEFAULT_EXPIRY_MS));
  const statement = makeStatement(manifest, {
    ...facts,
    class: by.jobClass,
    builder: by.builder ?? null,
    createdAt: now.toISOString(),
    expiresAt: expires.toISOString(),
  });
  return JSON.stringify(signEnvelope(Buffer.from(JSON.stringify(statement)), [by.key]));
}
