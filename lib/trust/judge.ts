import type { Digest, ProjectHash } from '../digest.js';
import { hexOf } from '../digest.js';
import { parseEnvelope, payloadOf, signersOf, type Envelope } from './dsse.js';
import { kindOf, type JobClass, type JobKind } from './job-class.js';
import type { Policy, PolicyKey } from './policy.js';
import { parseStatement, type SnapshotStatement } from './statement.js';

/** Signers' clocks may be ahead by so much, in milliseconds. */
const CLOCK_TOLERANCE_MS = 600_000;

/** By what a job judges what it finds. */
export interface Trust {
  /** `null`: there is none; whoever works so takes what lies in the store. */
  readonly policy: Policy | null;
  readonly jobClass: JobClass | null;
  /** Why nothing can be judged, and so nothing is taken: a policy that can't be read. */
  readonly trouble: string | null;
}

/** A person's own machine: everything is taken. */
export const NO_POLICY: Trust = { policy: null, jobClass: null, trouble: null };

/** What a manifest says of its snapshot, and which build asks for it. */
export interface SnapshotFacts {
  readonly manifest: Digest;
  readonly projectHash: ProjectHash;
  readonly generation: number;
  /** Of the base layer, where there is one. */
  readonly baseDigest: Digest | null;
  readonly step: string | null;
}

export type Judgement =
  /** Both are `null` where nobody's signature was needed. */
  | {
      readonly isAccepted: true;
      readonly statement: SnapshotStatement | null;
      readonly signer: { readonly name: string; readonly keyId: string } | null;
    }
  /** Why not, as half a sentence. */
  | { readonly isAccepted: false; readonly reason: string };

/**
 * Whether a job goes on in a snapshot. Looks at nothing but what it is given.
 * @param found `envelope`: the bytes of the attestation, `null` when the snapshot has none, or why it can't be read
 */
export function judge(
  { policy, jobClass, trouble }: Trust,
  found: {
    /** `null` where there is no policy, and so nothing to compare. */
    readonly facts: SnapshotFacts | null;
    readonly envelope: Uint8Array | { readonly problem: string } | null;
    readonly now: Date;
  },
): Judgement {
  if (trouble !== null) return refuse(trouble);
  if (jobClass === 'release' && (policy?.releaseSigner ?? null) === null)
    return refuse('a release goes on in nothing, since no policy switches that on');
  if (policy === null) return UNSIGNED;
  if (jobClass === null) return refuse('there is a policy, and nobody says of which class this job is');
  const job = { policy, jobClass };
  const { envelope, facts } = found;
  if (envelope === null) {
    if (policy.unsigned.includes(kindOf(jobClass))) return UNSIGNED;
    return refuse('nobody has signed it');
  }
  if ('problem' in envelope) return refuse(`its attestation can't be read: ${envelope.problem}`);
  if (facts === null) return refuse('nothing is known of it');
  return judgeSigned(job, { ...found, facts, envelope });
}

/** Whether a job of this class goes on in anything that is not its own machine's. */
export const mayResume = (trust: Trust): boolean =>
  trust.jobClass !== 'release' || (trust.policy?.releaseSigner ?? null) !== null;

interface Job {
  readonly policy: Policy;
  readonly jobClass: JobClass;
}

function judgeSigned(
  job: Job,
  found: { readonly facts: SnapshotFacts; readonly envelope: Uint8Array; readonly now: Date },
): Judgement {
  const envelope = parseEnvelope(found.envelope);
  if (!('value' in envelope)) return refuse(`its attestation is none: ${envelope.problem}`);
  const signers = signersOf(envelope.value, job.policy.keys);
  if (signers.length === 0) return refuse(reasonWithoutSigner(envelope.value, job.policy));
  const parsed = parseStatement(payloadOf(envelope.value));
  if (!('value' in parsed)) return refuse(`what is signed is no statement on a snapshot: ${parsed.problem}`);
  const statement = parsed.value;
  const reason =
    reasonAgainstSubject(statement, found.facts) ??
    reasonAgainstTime(statement, { now: found.now, maxAgeMs: job.policy.maxAgeMs }) ??
    reasonAgainstClass(job, statement.predicate.class);
  if (reason !== null) return refuse(reason);
  const able = signers.filter((key) => countsFor(job, key, statement.predicate.class));
  const [signer] = able;
  if (signer === undefined) {
    const names = signers.map(({ name }) => name).join(', ');
    return refuse(
      job.jobClass === 'release'
        ? `it was signed by ${names}, and not by the signer of this release, ${job.policy.releaseSigner}`
        : `it was signed by ${names}, whose signature does not count for ${statement.predicate.class}`,
    );
  }
  return { isAccepted: true, statement, signer: { name: signer.name, keyId: signer.keyId } };
}

function reasonWithoutSigner(envelope: Envelope, policy: Policy): string {
  const known = policy.keys.filter(({ keyId }) => envelope.signatures.some(({ keyid }) => keyid === keyId));
  if (known.length > 0)
    return `the signature of ${known.map(({ name }) => name).join(', ')} is not that of what it says`;
  return 'it was signed by nobody whom the policy knows';
}

/** The statement must be on this very snapshot: it could lie beside another. */
function reasonAgainstSubject(
  { subject, predicate }: SnapshotStatement,
  facts: SnapshotFacts,
): string | null {
  const [{ digest }] = subject;
  if (digest.sha256 !== hexOf(facts.manifest)) return 'what is signed is another snapshot';
  const fields = ['projectHash', 'generation', 'baseDigest', 'step'] as const;
  const different = fields.find((field) => predicate[field] !== facts[field]);
  if (different === undefined) return null;
  return `what is signed has the ${different} ${predicate[different]}, and it has ${facts[different]}`;
}

function reasonAgainstTime(
  { predicate }: SnapshotStatement,
  at: { readonly now: Date; readonly maxAgeMs: number | null },
): string | null {
  const now = at.now.getTime();
  const created = Date.parse(predicate.createdAt);
  if (now >= Date.parse(predicate.expiresAt)) return `it has expired at ${predicate.expiresAt}`;
  if (created > now + CLOCK_TOLERANCE_MS)
    return `it was signed at ${predicate.createdAt}, which is in the future`;
  if (at.maxAgeMs !== null && now - created > at.maxAgeMs)
    return `it was signed at ${predicate.createdAt}, which is longer ago than the policy allows`;
  return null;
}

function reasonAgainstClass({ policy, jobClass }: Job, made: JobClass): string | null {
  const accepted = policy.accept[kindOf(jobClass)];
  const kind: JobKind = kindOf(made);
  if (!accepted.includes(kind)) return `it was made by a job of class ${made}, and this one is ${jobClass}`;
  if (kind === 'pr' && kindOf(jobClass) === 'pr' && made !== jobClass)
    return `it was made by ${made}, and this job is of ${jobClass}`;
  return null;
}

function countsFor({ policy, jobClass }: Job, key: PolicyKey, made: JobClass): boolean {
  if (jobClass === 'release' && key.name !== policy.releaseSigner) return false;
  return key.classes.includes(kindOf(made));
}

const UNSIGNED: Judgement = { isAccepted: true, statement: null, signer: null };

const refuse = (reason: string): Judgement => ({ isAccepted: false, reason });
