import * as v from 'valibot';
import { hexOf, isDigest, isProjectHash, type Digest, type ProjectHash } from '../digest.js';
import { parseJson, type Parsed } from '../store/oci.js';
import { isJobClass, type JobClass } from './job-class.js';

/** Source: in-toto attestation framework v1, statement.md. */
export const STATEMENT_TYPE = 'https://in-toto.io/Statement/v1';
export const SNAPSHOT_PREDICATE_TYPE = 'urn:rbm-resume:snapshot:v1';

const digest = v.custom<Digest>(
  (value) => typeof value === 'string' && isDigest(value),
  'not a sha256 digest',
);
const moment = v.pipe(
  v.string(),
  v.isoTimestamp(),
  v.check((text) => Number.isFinite(Date.parse(text)), 'not a moment'),
);

const predicateSchema = v.strictObject({
  /** The build that may go on in the snapshot. */
  projectHash: v.custom<ProjectHash>(
    (value) => typeof value === 'string' && isProjectHash(value),
    'not a project hash',
  ),
  /** The lowest layer: the container image. `null` where the snapshot has none. */
  baseDigest: v.nullable(digest),
  step: v.nullable(v.string()),
  /** Of the tree that a restore makes, see lib/layer/tree-digest.ts. */
  treeDigest: digest,
  generation: v.pipe(v.number(), v.safeInteger(), v.minValue(1)),
  /** The manifest of the snapshot that the build went on in before. */
  parent: v.nullable(digest),
  /** Of the job that made it. */
  class: v.custom<JobClass>((value) => typeof value === 'string' && isJobClass(value), 'not a class of job'),
  /** Which job or machine it was, for a person. */
  builder: v.nullable(v.pipe(v.string(), v.maxLength(1000))),
  createdAt: moment,
  expiresAt: moment,
});

const statementSchema = v.strictObject({
  _type: v.literal(STATEMENT_TYPE),
  subject: v.strictTuple([
    v.strictObject({
      name: v.string(),
      digest: v.strictObject({ sha256: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/, 'not a sha256')) }),
    }),
  ]),
  predicateType: v.literal(SNAPSHOT_PREDICATE_TYPE),
  predicate: predicateSchema,
});

/** What a signer says of a snapshot. */
export type SnapshotPredicate = v.InferOutput<typeof predicateSchema>;
/** That, of the manifest with this digest. */
export type SnapshotStatement = v.InferOutput<typeof statementSchema>;

/** Says `predicate` of the snapshot whose manifest has this digest. */
export function makeStatement(manifest: Digest, predicate: SnapshotPredicate): SnapshotStatement {
  const name = `${predicate.projectHash}@${predicate.generation}`;
  return {
    _type: STATEMENT_TYPE,
    subject: [{ name, digest: { sha256: hexOf(manifest) } }],
    predicateType: SNAPSHOT_PREDICATE_TYPE,
    predicate,
  };
}

/** Reads a statement; one with a field that is not known here says something that would be missed, so it is none. */
export const parseStatement = (text: Uint8Array): Parsed<SnapshotStatement> =>
  parseJson(statementSchema, text);
