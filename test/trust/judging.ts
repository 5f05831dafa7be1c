import assert from 'node:assert/strict';
import { digestOf, parseProjectHash, type ProjectHash } from '../../lib/digest.js';
import type { JobClass, JobKind } from '../../lib/trust/job-class.js';
import { judge, type SnapshotFacts, type Trust } from '../../lib/trust/judge.js';
import { attest } from '../../lib/trust/sign.js';
import { makePolicy, makeSigner } from './signers.js';

export const [HASH, OTHER_HASH] = [parseProjectHash('ab'.repeat(32)), parseProjectHash('cd'.repeat(32))];
export const NOW = new Date('2026-05-06T07:08:09.000Z');
export const DAY_MS = 86_400_000;

export const factsOf = (
  hash: ProjectHash,
  base: string,
): SnapshotFacts & { treeDigest: ReturnType<typeof digestOf> } => ({
  manifest: digestOf(`manifest of ${hash} on ${base}`),
  projectHash: hash,
  generation: 3,
  baseDigest: digestOf(base),
  step: 'build',
  treeDigest: digestOf(`tree of ${hash}`),
});
export const facts = factsOf(HASH, 'bookworm');

export const signers = {
  anybody: makeSigner('anybody'),
  branches: makeSigner('branches'),
  official: makeSigner('official'),
  releases: makeSigner('releases'),
  stranger: makeSigner('stranger'),
};
export type SignerName = keyof typeof signers;
export const SIGNS: Readonly<Record<SignerName, readonly JobKind[]>> = {
  anybody: ['pr'],
  branches: ['pr', 'branch'],
  official: ['branch', 'protected', 'release'],
  releases: ['release'],
  stranger: [],
};
const keys = (['anybody', 'branches', 'official', 'releases'] as const).map((name) => ({
  name,
  public_key: signers[name].publicPem,
  classes: SIGNS[name],
}));

export const CLASSES: readonly JobClass[] = ['pr/7', 'pr/8', 'branch', 'protected', 'release'];

interface Made {
  readonly by?: SignerName;
  readonly made?: JobClass;
  readonly of?: SnapshotFacts & { readonly treeDigest: ReturnType<typeof digestOf> };
  readonly at?: Date;
  readonly expiresInMs?: number;
}

export const envelopeOf = ({
  by = 'branches',
  made = 'branch',
  of = facts,
  at = NOW,
  ...more
}: Made = {}): Buffer =>
  Buffer.from(
    attest(
      { ...of, parent: null },
      { key: signers[by].key, jobClass: made, builder: 'job 12', now: at, ...more },
    ),
  );

export const ask = (trust: Trust, envelope: Uint8Array | null, of: SnapshotFacts = facts, now = NOW) =>
  judge(trust, { facts: of, envelope, now });

export const trustOf = async (
  jobClass: JobClass | null,
  more: Record<string, unknown> = {},
): Promise<Trust> => ({
  policy: await makePolicy({ keys, ...more }),
  jobClass,
  trouble: null,
});

export function reasonOf(trust: Trust, envelope: Uint8Array | null, of?: SnapshotFacts): string {
  const judgement = ask(trust, envelope, of);
  assert.ok(!judgement.isAccepted, 'it was accepted');
  return judgement.reason;
}
