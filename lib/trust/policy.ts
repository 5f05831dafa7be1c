import { constants } from 'node:fs';
import { open, realpath } from 'node:fs/promises';
import { dirname, resolve, sep } from 'node:path';
import * as v from 'valibot';
import { parseDocument } from 'yaml';
import { messageOf, RbmResumeError } from '../errors.js';
import { JOB_KINDS, type JobKind } from './job-class.js';
import { parseVerifyingKey, type VerifyingKey } from './keys.js';
import { policySchema, type PolicyFile } from './policy-schema.js';
import { DAY_MS } from '../time.js';

const MAX_POLICY_BYTES = 1024 * 1024;

/** A public key, and for which classes of jobs its signature counts. */
export interface PolicyKey extends VerifyingKey {
  readonly name: string;
  readonly classes: readonly JobKind[];
}

/** Whose snapshots which jobs go on in. */
export interface Policy {
  /** The file that says so. */
  readonly file: string;
  readonly keys: readonly PolicyKey[];
  /** Of which classes a job of a class takes snapshots. */
  readonly accept: Readonly<Record<JobKind, readonly JobKind[]>>;
  /** Classes whose jobs also take what nobody has signed. */
  readonly unsigned: readonly JobKind[];
  /** In milliseconds; `null`: any. */
  readonly maxAgeMs: number | null;
  /** The key whose snapshots a release goes on in; `null`: releases begin clean. */
  readonly releaseSigner: string | null;
}

/**
 * Reads a policy file: YAML, strictly. It may not lie in the store, which those write whom it judges.
 * @throws RbmResumeError `BAD_POLICY`, which names the file and the field
 */
export async function readPolicy(
  file: string,
  options: {
    /** The store that the policy is for. */
    readonly store?: string;
  } = {},
): Promise<Policy> {
  await refuseInStore(file, options.store);
  const text = await readText(file, { file, field: 'the whole' });
  const document = parseDocument(text);
  const [trouble] = [...document.errors, ...document.warnings];
  if (trouble !== undefined) throw badPolicy({ file, field: 'the whole' }, trouble.message);
  const result = v.safeParse(policySchema, toValue(file, document));
  if (!result.success) {
    const [issue] = result.issues;
    throw badPolicy({ file, field: v.getDotPath(issue) ?? 'the whole' }, issue.message);
  }
  return toPolicy(file, result.output);
}

function toValue(file: string, document: ReturnType<typeof parseDocument>): unknown {
  try {
    return document.toJS();
  } catch (cause) {
    throw badPolicy({ file, field: 'the whole' }, messageOf(cause));
  }
}

async function toPolicy(file: string, written: PolicyFile): Promise<Policy> {
  const keys: PolicyKey[] = [];
  for (const [number, { name, public_key: source, classes }] of written.keys.entries()) {
    const field = `keys.${number}`;
    const isInline = source.includes('-----BEGIN');
    const place = { file, field: `${field}.public_key` };
    const pem = isInline ? source : await readText(resolve(dirname(file), source), place);
    const key = parseKey(pem, place);
    const twin = keys.find((other) => other.name === name || other.keyId === key.keyId);
    if (twin !== undefined)
      throw badPolicy({ file, field }, `its name or its key is that of the key ${twin.name} above`);
    keys.push({ ...key, name, classes });
  }
  const { accept = {}, release, max_age_days: days } = written;
  const releaseSigner = release?.resume ? findReleaseSigner(file, keys, release.signer) : null;
  const acceptOf = (kind: Exclude<JobKind, 'release'>): readonly JobKind[] => accept[kind] ?? [kind];
  return {
    file,
    keys,
    accept: {
      pr: acceptOf('pr'),
      branch: acceptOf('branch'),
      protected: acceptOf('protected'),
      release: releaseSigner === null ? [] : ['release'],
    },
    unsigned: written.unsigned ?? [],
    maxAgeMs: days === undefined ? null : days * DAY_MS,
    releaseSigner,
  };
}

function parseKey(pem: string, at: Place): VerifyingKey {
  try {
    return parseVerifyingKey(pem);
  } catch (cause) {
    throw badPolicy(at, messageOf(cause));
  }
}

function findReleaseSigner(file: string, keys: readonly PolicyKey[], name: string | undefined): string {
  const able = keys.filter(({ classes }) => classes.includes('release'));
  const named = name === undefined ? able : able.filter((key) => key.name === name);
  const [signer, ...others] = named;
  if (signer !== undefined && others.length === 0) return signer.name;
  const found = `${able.length} keys sign for release`;
  const place = { file, field: 'release.signer' };
  throw badPolicy(place, name === undefined ? `${found}: name one` : `${name} is none of them: ${found}`);
}

async function refuseInStore(file: string, store: string | undefined): Promise<void> {
  if (store === undefined) return;
  const [policy, root] = await Promise.all([file, store].map((path) => realpath(path).catch(() => path)));
  if (policy !== undefined && root !== undefined && policy.startsWith(`${root}${sep}`))
    throw badPolicy({ file, field: 'the whole' }, `it lies in the store ${store}, which it is to judge`);
}

async function readText(path: string, at: Place): Promise<string> {
  const bad = (what: string, cause?: unknown) => badPolicy(at, what, cause);
  // O_NONBLOCK: a FIFO would be waited for.
  const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch((cause: unknown) => {
    throw bad(messageOf(cause), cause);
  });
  try {
    const stats = await handle.stat();
    if (!stats.isFile()) throw bad(`${path} is no regular file`);
    if (stats.size > MAX_POLICY_BYTES) throw bad(`${path} has more than ${MAX_POLICY_BYTES} bytes`);
    return await handle.readFile('utf8');
  } finally {
    await handle.close();
  }
}

interface Place {
  readonly file: string;
  readonly field: string;
}

const badPolicy = ({ file, field }: Place, what: string, cause?: unknown): RbmResumeError =>
  new RbmResumeError('BAD_POLICY', `cannot use the policy ${file}: ${field}: ${what}`, {
    hint: `docs/security.md describes a policy; classes are ${JOB_KINDS.join(', ')}.`,
    cause,
    fields: { file, field },
  });
