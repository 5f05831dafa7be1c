import { lstat } from 'node:fs/promises';
import { hexOf, isDigest, type Digest } from '../digest.js';
import { RbmResumeError, type ErrorCode } from '../errors.js';
import { blobPath, hasBlob, openBlob, readJsonBlob } from '../store/blobs.js';
import { readIndexRemains } from '../store/damaged-index.js';
import { readIndex } from '../store/image-index.js';
import { namesIn } from '../store/live.js';
import { imageConfigSchema, imageManifestSchema } from '../store/oci.js';
import { storePaths, type StorePaths } from '../store/paths.js';
import { findReachable } from '../store/reachable.js';
import { judgeEntries, type JudgedEntry } from './index-entries.js';
import { snapshotsAmong } from './open-store.js';
import type { SnapshotProgress } from './progress.js';
import { Snapshot, type SnapshotEntry } from './snapshot.js';
import { checkAttestation, checkPlatform, findIndexFlaws } from './verify-index.js';
import { LayerCheck } from './verify-layer.js';
import { namingIoFailures, toIoFailure } from '../system-error.js';

/** A defect of a store. */
export interface VerifyFinding {
  /** `HASH@GENERATION`; `null` where it belongs to no snapshot. */
  readonly snapshot: string | null;
  /** The blob that is to blame, where it is one. */
  readonly blob: Digest | null;
  readonly code: ErrorCode;
  readonly message: string;
}

export interface VerifyOptions {
  /** Whether each blob is read through and each layer unpacked. @default false */
  readonly readData?: boolean;
  readonly onProgress?: (progress: SnapshotProgress) => void;
}

export interface VerifyResult {
  readonly findings: readonly VerifyFinding[];
  /** How many snapshots were looked at. */
  readonly snapshots: number;
  /** Snapshots whose base is not in the store; whoever restores one has to bring it. No defect. */
  readonly withoutBase: readonly string[];
  /** How many blobs the store has. */
  readonly blobs: number;
  /** How many of them no entry of the index leads to; `null` when a manifest can't be read, and so nobody knows. */
  readonly unreferenced: number | null;
}

/**
 * Checks a store, to the end whatever it finds. Always: that the index, manifests and configs can be read and have their
 * digests, that layers and listings are there and have their size, that listings have their digest and make a tree. With
 * `readData` also the digest of every blob, the diffId of every layer, and that its listing is what it holds.
 *
 * Takes no lock: what is removed meanwhile may be found missing.
 * @throws RbmResumeError `COMMAND_NOT_FOUND`; defects of the store are findings
 */
export function verifyStore(store: string, options: VerifyOptions = {}): Promise<VerifyResult> {
  return namingIoFailures(`verifying ${store}`, () => checkStore(store, options));
}

async function checkStore(store: string, options: VerifyOptions): Promise<VerifyResult> {
  const paths = storePaths(store);
  const findings: VerifyFinding[] = [];
  const report: Report = async (of, work) => {
    try {
      await work();
    } catch (error) {
      findings.push(findingOf(error, of));
    }
  };
  let judged: readonly JudgedEntry[] | null = null;
  await report({ snapshot: null, blob: null }, async () => {
    const index = await readIndex(paths);
    const { layoutProblem } = await readIndexRemains(paths);
    if (layoutProblem !== null) findings.push(badLayout(paths, layoutProblem));
    judged = await judgeEntries(paths, index.manifests);
    for (const { snapshot, descriptor, error } of findIndexFlaws(index, judged))
      findings.push(findingOf(error, { snapshot, blob: descriptor?.digest ?? null }));
  });
  const known: readonly JudgedEntry[] = judged ?? [];
  const ours = snapshotsAmong(known);
  const layers = new LayerCheck(paths, { ...options, totalBytes: await bytesOfBlobs(paths) });
  const withoutBase: string[] = [];
  for (const entry of ours) {
    const snapshot = `${entry.hash}@${entry.generation}`;
    if (!(await verifySnapshot(paths, entry, { snapshot, report, layers }))) withoutBase.push(snapshot);
  }
  const reachable = await followAll(paths, known, report);
  const names = (await namesIn(paths.blobs)).map((name) => `sha256:${name}`).filter(isDigest);
  if (options.readData === true) {
    for (const digest of names) {
      if (!layers.hasRead(digest)) await report({ snapshot: null, blob: digest }, () => layers.hash(digest));
    }
  }
  const isKnown = judged !== null && reachable !== null;
  return {
    findings: withoutRepetition(findings),
    snapshots: ours.length,
    withoutBase,
    blobs: names.length,
    unreferenced: isKnown ? names.filter((digest) => !reachable.has(digest)).length : null,
  };
}

const badLayout = ({ ociLayout }: StorePaths, what: string): VerifyFinding => {
  const message = `cannot use ${ociLayout}: ${what}`;
  return { snapshot: null, blob: null, code: 'BAD_INDEX', message };
};

/** Runs a check and makes a finding of what it throws. */
type Report = (of: Pick<VerifyFinding, 'snapshot' | 'blob'>, work: () => Promise<void>) => Promise<void>;

/** Returns whether its base is there. */
async function verifySnapshot(
  paths: StorePaths,
  entry: SnapshotEntry,
  check: { readonly snapshot: string; readonly report: Report; readonly layers: LayerCheck },
): Promise<boolean> {
  const { snapshot: name, layers } = check;
  let isSound = true;
  const report = (blob: Digest | null, work: () => Promise<void>) =>
    check.report({ snapshot: name, blob }, () =>
      work().catch((error: unknown) => {
        isSound = false;
        throw error;
      }),
    );
  let snapshot: Snapshot | null = null;
  await report(entry.digest, async () => {
    const { config } = await readJsonBlob(paths, entry.descriptor, imageManifestSchema);
    await report(config.digest, async () => void (await readJsonBlob(paths, config, imageConfigSchema)));
    if (isSound) snapshot = await Snapshot.open(paths, entry);
  });
  const opened = snapshot as Snapshot | null;
  if (opened === null) return true;
  await report(opened.image.manifest.config.digest, () => Promise.resolve(void opened.record));
  await report(entry.digest, () => Promise.resolve(checkPlatform(opened)));
  await report(opened.attestation?.digest ?? entry.digest, () => checkAttestation(opened));
  const hasBase = await layers.isBaseThere(opened);
  for (const layer of opened.layers) {
    const { listing, descriptor } = layer;
    if (listing !== null) await report(listing.digest, () => layers.checkListing(layer));
    if (layer.number > 0 || hasBase) await report(descriptor.digest, () => layers.checkLayer(layer));
  }
  if (isSound) await report(null, async () => void (await opened.tree()));
  return hasBase;
}

/** What all entries of the index lead to, or `null` where that can't be known. Those of others must be whole, too. */
async function followAll(
  paths: StorePaths,
  judged: readonly JudgedEntry[],
  report: Report,
): Promise<ReadonlySet<Digest> | null> {
  const all = new Set<Digest>();
  let isWhole = true;
  for (const { kind, descriptor } of judged) {
    const isOurs = kind !== 'foreign';
    const follow = async () => {
      for (const [digest, size] of await findReachable(paths, [descriptor])) {
        all.add(digest);
        if (isOurs || size === null || (await hasBlob(paths, { digest, size }))) continue;
        await report({ snapshot: null, blob: digest }, async () =>
          (await openBlob(paths, { digest, size })).close(),
        );
      }
    };
    await report({ snapshot: null, blob: descriptor.digest }, () =>
      follow().catch((error: unknown) => {
        isWhole = false;
        // Of ours it has been told already.
        if (!isOurs) throw error;
      }),
    );
  }
  return isWhole ? all : null;
}

async function bytesOfBlobs(paths: StorePaths): Promise<number> {
  let bytes = 0;
  for (const name of await namesIn(paths.blobs))
    bytes += (await lstat(blobPath(paths, `sha256:${name}` as Digest))).size;
  return bytes;
}

function findingOf(thrown: unknown, of: Pick<VerifyFinding, 'snapshot' | 'blob'>): VerifyFinding {
  const error = toIoFailure(thrown, "it can't be read");
  if (!(error instanceof RbmResumeError) || error.code === 'COMMAND_NOT_FOUND') throw error;
  const named = error.fields.digest;
  const blob = typeof named === 'string' && isDigest(named) ? named : of.blob;
  return { snapshot: of.snapshot, blob, code: error.code, message: error.message };
}

/** A manifest that can't be read makes several checks fail in the same way. */
function withoutRepetition(findings: readonly VerifyFinding[]): VerifyFinding[] {
  const keyOf = ({ snapshot, blob, code, message }: VerifyFinding) =>
    [snapshot, blob === null ? '' : hexOf(blob), code, code === 'BAD_INDEX' ? message : ''].join(' ');
  const seen = new Map(findings.map((one) => [keyOf(one), one]));
  return [...seen.values()];
}
