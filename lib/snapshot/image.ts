import { mkdir } from 'node:fs/promises';
import { arch } from 'node:os';
import { dirname } from 'node:path';
import type { Digest, ProjectHash } from '../digest.js';
import type { BlobName } from '../store/blobs.js';
import { commit } from '../store/commit.js';
import { MEDIA_TYPE, type Descriptor, type ImageConfig, type ImageManifest } from '../store/oci.js';
import { withFileLock } from '../store/lock.js';
import type { StorePaths } from '../store/paths.js';
import { workSeconds, type SnapshotRecord } from '../store/record.js';
import type { StagedBlob, Staging } from '../store/staging.js';
import { NO_POLICY, type Trust } from '../trust/judge.js';
import { attest, type Signing } from '../trust/sign.js';
import { ANNOTATION, CREATED, RECORD_LABEL } from './annotations.js';
import type { DescribedLayer } from './base.js';
import { amongSound, entryAnnotations, entryOf, MAX_GENERATION } from './index-entries.js';
import { findTrusted } from './judge-snapshot.js';
import { listSnapshots } from './open-store.js';
import { putNewest } from './refs.js';
import { Snapshot } from './snapshot.js';
import { VERSION } from '../version.js';

/** What Node calls an architecture, and what OCI (Go) calls it. */
const ARCHITECTURE: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386' };

/**
 * Writes config and manifest on top of the layers and puts them into the index, as the newest of their hash; older ones
 * than the one before go.
 */
export function commitImage(
  paths: StorePaths,
  image: {
    readonly staging: Staging;
    readonly record: SnapshotRecord;
    readonly layers: readonly DescribedLayer[];
    /** Who signs it, and what is signed of the tree. @default nobody */
    readonly signed?: {
      readonly by: Signing;
      readonly treeDigest: Digest;
      readonly parent: Digest | null;
    };
    /** Of which snapshots it takes the place and the next number. @default all of its hash */
    readonly trust?: Trust;
  },
): Promise<Snapshot> {
  const { staging, layers, record, trust = NO_POLICY } = image;
  return withGenerationLock(paths, record.hash, async () => {
    const generation = Math.min(
      Math.max(0, ...(await generationsOf(paths, record.hash, trust))) + 1,
      MAX_GENERATION,
    );
    const config = await staging.put(JSON.stringify(describeConfig(record, layers)));
    const described: ImageManifest = {
      schemaVersion: 2,
      mediaType: MEDIA_TYPE.manifest,
      config: { mediaType: MEDIA_TYPE.config, digest: config.digest, size: config.size },
      layers: layers.map(({ descriptor }) => descriptor),
      annotations: describeManifest(record, generation),
    };
    const manifest = await staging.put(JSON.stringify(described));
    const attestations: StagedBlob[] = [];
    if (image.signed !== undefined) {
      const { by, treeDigest, parent } = image.signed;
      const ofBuild = { projectHash: record.hash, generation, step: record.step };
      const ofTree = { baseDigest: baseDigestOf(layers), treeDigest, parent };
      const text = attest({ manifest: manifest.digest, ...ofBuild, ...ofTree }, by);
      attestations.push(await staging.put(text));
    }
    const descriptor: Descriptor = {
      mediaType: MEDIA_TYPE.manifest,
      digest: manifest.digest,
      size: manifest.size,
      platform: platform(),
      annotations: { ...entryAnnotations(described), ...attestationAnnotations(attestations[0] ?? null) },
    };
    const isOfHash = (entry: Descriptor) => entryOf(entry)?.hash === record.hash;
    await commit(paths, {
      blobs: [...layers.flatMap(({ blobs }) => blobs), config, manifest, ...attestations],
      updateIndex: amongSound(paths, async (manifests) => {
        const rivals = await findTrusted(paths, manifests.filter(isOfHash), trust);
        return putNewest(manifests, descriptor, (entry) => rivals.has(entry));
      }),
      mayBeAbsent: new Set(layers.slice(0, 1).map(({ descriptor: { digest } }) => digest)),
    });
    const entry = entryOf(descriptor);
    if (entry === null) throw new Error(`${descriptor.digest} is no entry of a snapshot`);
    return Snapshot.open(paths, entry);
  });
}

/** Numbers are given out one at a time, whoever saves. */
export async function withGenerationLock<T>(
  paths: StorePaths,
  hash: ProjectHash,
  work: () => Promise<T>,
): Promise<T> {
  const file = `${paths.hashLock(hash)}.generation`;
  await mkdir(dirname(file), { recursive: true });
  return withFileLock(file, work);
}

async function generationsOf(paths: StorePaths, hash: ProjectHash, trust: Trust): Promise<number[]> {
  const entries = await listSnapshots(paths, hash);
  const descriptors = entries.map(({ descriptor }) => descriptor);
  const trusted = await findTrusted(paths, descriptors, trust);
  return entries.filter(({ descriptor }) => trusted.has(descriptor)).map(({ generation }) => generation);
}

const baseDigestOf = (layers: readonly DescribedLayer[]): Digest | null => {
  const [lowest] = layers;
  return lowest?.descriptor.annotations?.[ANNOTATION.base] === undefined ? null : lowest.descriptor.digest;
};

/** What an entry says of the blob in which somebody vouches for its snapshot. */
export const attestationAnnotations = (blob: BlobName | null): Record<string, string> =>
  blob === null
    ? {}
    : { [ANNOTATION.attestation]: blob.digest, [ANNOTATION.attestationSize]: String(blob.size) };

const platform = () => ({ architecture: ARCHITECTURE[arch()] ?? arch(), os: 'linux' });

/** Source: OCI image-spec, config.md. The history has a line for the base and one for each layer above it. */
function describeConfig(record: SnapshotRecord, layers: readonly DescribedLayer[]): ImageConfig {
  return {
    ...platform(),
    created: record.parkedAt,
    config: { Labels: { [RECORD_LABEL]: JSON.stringify(record) } },
    rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
    history: layers.map(({ descriptor }, number) =>
      describeHistory(record, { descriptor, legs: [legsUpTo(layers[number - 1]), legsUpTo(layers[number])] }),
    ),
  };
}

/** How many legs had run when a layer was written. */
const legsUpTo = (layer: DescribedLayer | undefined): number =>
  Number(layer?.descriptor.annotations?.[ANNOTATION.legs] ?? 0);

function describeHistory(
  record: SnapshotRecord,
  layer: { readonly descriptor: Descriptor; readonly legs: readonly [number, number] },
): NonNullable<ImageConfig['history']>[number] {
  const base = layer.descriptor.annotations?.[ANNOTATION.base];
  if (base !== undefined) return { created_by: `rbm container image ${base}` };
  const ran = record.legs.slice(...layer.legs);
  const last = ran.at(-1);
  const what =
    `rbm build ${record.project} ${record.targets.map((target) => `--target ${target}`).join(' ')}`.trim();
  return {
    created: last?.endedAt ?? record.parkedAt,
    created_by: what,
    comment: ran
      .map(({ seconds, stoppedIn }) => `${Math.round(seconds)} s, stopped in ${stoppedIn ?? 'no script'}`)
      .join('; '),
  };
}

function describeManifest(record: SnapshotRecord, generation: number): Record<string, string> {
  return {
    [CREATED]: record.parkedAt,
    'org.opencontainers.image.title': record.filename ?? record.project,
    ...(record.version === null ? {} : { 'org.opencontainers.image.version': record.version }),
    [ANNOTATION.project]: record.project,
    [ANNOTATION.hash]: record.hash,
    [ANNOTATION.generation]: String(generation),
    [ANNOTATION.step]: record.step ?? '',
    [ANNOTATION.legs]: String(record.legs.length),
    [ANNOTATION.workSeconds]: String(Math.round(workSeconds(record))),
    [ANNOTATION.writer]: `rbm-resume ${VERSION}`,
  };
}
