import type { Digest } from '../digest.js';
import { messageOf, RbmResumeError } from '../errors.js';
import { readBlob } from '../store/blobs.js';
import type { Descriptor } from '../store/oci.js';
import type { StorePaths } from '../store/paths.js';
import { MAX_ENVELOPE_BYTES } from '../trust/dsse.js';
import { judge, type Judgement, type SnapshotFacts, type Trust } from '../trust/judge.js';
import { entryOf } from './index-entries.js';
import { baseLayerOf, checkIdentity } from './snapshot-blobs.js';
import { Snapshot } from './snapshot.js';

/**
 * Whether a job may use a snapshot. Nothing of it is read but its manifest and config, which are in memory, and its
 * attestation.
 */
export async function judgeSnapshot(
  snapshot: Snapshot,
  trust: Trust,
  now: Date = new Date(),
): Promise<Judgement> {
  if (trust.policy === null) return judge(trust, { facts: null, envelope: null, now });
  try {
    checkIdentity(snapshot);
    const facts = factsOf(snapshot);
    return judge(trust, { facts, envelope: await readAttestation(snapshot), now });
  } catch (error) {
    if (error instanceof RbmResumeError) return { isAccepted: false, reason: messageOf(error) };
    throw error;
  }
}

/**
 * What {@link judgeSnapshot} says, or the refusal as an error.
 * @throws RbmResumeError `NOT_TRUSTED`
 */
export async function requireTrusted(
  snapshot: Snapshot,
  trust: Trust,
): Promise<Judgement & { readonly isAccepted: true }> {
  const judgement = await judgeSnapshot(snapshot, trust);
  if (judgement.isAccepted) return judgement;
  const { hash, generation } = snapshot;
  throw new RbmResumeError(
    'NOT_TRUSTED',
    `the snapshot ${hash}@${generation} is not used: ${judgement.reason}`,
    {
      hint: 'docs/security.md tells what each reason means. Nothing was restored.',
      fields: { hash, generation, reason: judgement.reason },
    },
  );
}

/** The digest that the restored tree must have; `null` where nobody has signed one. */
export const signedTreeDigest = (judgement: Judgement): Digest | null =>
  judgement.isAccepted ? (judgement.statement?.predicate.treeDigest ?? null) : null;

/**
 * Those entries of an index that a job may use. With them alone its own snapshots compete for places: what it would refuse can't
 * displace them, and it displaces nothing that others may use.
 */
export async function findTrusted(
  paths: StorePaths,
  entries: readonly Descriptor[],
  trust: Trust,
): Promise<ReadonlySet<Descriptor>> {
  const trusted = new Set<Descriptor>();
  for (const descriptor of entries) {
    const entry = entryOf(descriptor);
    if (entry === null) continue;
    const isTrusted =
      trust.policy === null ||
      (await Snapshot.open(paths, entry).then(
        async (snapshot) => (await judgeSnapshot(snapshot, trust)).isAccepted,
        () => false,
      ));
    if (isTrusted) trusted.add(descriptor);
  }
  return trusted;
}

const factsOf = (snapshot: Snapshot): SnapshotFacts => ({
  manifest: snapshot.digest,
  projectHash: snapshot.hash,
  generation: snapshot.generation,
  baseDigest: baseLayerOf(snapshot)?.descriptor.digest ?? null,
  step: snapshot.record.step,
});

async function readAttestation(
  snapshot: Snapshot,
): Promise<Uint8Array | { readonly problem: string } | null> {
  const { attestation } = snapshot;
  if (attestation === null) return null;
  try {
    return await readBlob(snapshot.paths, attestation, { maxBytes: MAX_ENVELOPE_BYTES });
  } catch (error) {
    if (error instanceof RbmResumeError) return { problem: messageOf(error) };
    throw error;
  }
}
