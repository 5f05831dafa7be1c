import { mkdir, open, rename, type FileHandle } from 'node:fs/promises';
import { basename, join } from 'node:path';
import * as v from 'valibot';
import { hexOf, isDigest, type Digest } from '../digest.js';
import { exec } from '../exec.js';
import { compressor, decompressor, detectCompression, type Compression } from '../layer/compression.js';
import { readLayerListing, writeLayerListing } from '../layer/listing.js';
import { readLayer, type LayerDiff } from '../layer/read.js';
import { toLayerMember, type LayerMember, type MemberBatches } from '../layer/whiteout.js';
import type { LayerProgress } from '../layer/write.js';
import { hasBlob, openBlob, type BlobName } from '../store/blobs.js';
import { descriptorSchema, MEDIA_TYPE, type Descriptor } from '../store/oci.js';
import { namesIn } from '../store/live.js';
import type { StorePaths } from '../store/paths.js';
import { readRecord } from '../store/record.js';
import { writeSealedAtomically } from '../store/sealed-json.js';
import { linkOrCopy, type StagedBlob, type Staging } from '../store/staging.js';
import { ANNOTATION } from './annotations.js';

/** A layer that is ready for a manifest, and the blobs that have to come into the store with it. */
export interface DescribedLayer {
  readonly descriptor: Descriptor;
  readonly diffId: Digest;
  readonly blobs: readonly StagedBlob[];
}

/** The same, and what is in it. */
export interface PreparedLayer extends DescribedLayer {
  /** What is in it, in the archive's order; each call begins anew. */
  readonly members: () => MemberBatches;
}

export interface BaseOptions {
  readonly staging: Staging;
  /** What the layers shall be: a base of another compression is compressed anew; plain tar is taken by everybody. */
  readonly compression: 'zstd' | 'gzip';
  /** The blob of the base itself is not put into the store. */
  readonly withoutBase: boolean;
  readonly name: string;
  readonly onProgress?: ((progress: LayerProgress) => void) | undefined;
}

const MEDIA_TYPE_OF = {
  none: MEDIA_TYPE.layerTar,
  gzip: MEDIA_TYPE.layerTarGzip,
  zstd: MEDIA_TYPE.layerTarZstd,
} as const;

const digest = v.custom<Digest>((value) => typeof value === 'string' && isDigest(value));
const knownSchema = v.object({
  format: v.literal(1),
  descriptor: descriptorSchema,
  diffId: digest,
  listing: v.object({ digest, size: v.number() }),
});

/**
 * Makes a container image's tarball the lowest layer, as it is: hard-linked where that can be. It is read through once a store:
 * what it holds is remembered under its digest.
 * @throws RbmResumeError `BAD_LAYER`, `LAYER_TOO_BIG`, `COMMAND_FAILED`, `STORE_WRITE_FAILED`
 */
export async function prepareBase(
  paths: StorePaths,
  tarball: string,
  options: BaseOptions,
): Promise<PreparedLayer> {
  const { staging } = options;
  const file = join(staging.dir, 'base');
  await linkOrCopy(tarball, file);
  const handle = await open(file, 'r');
  try {
    const compressed = await detectCompression(handle, options.name);
    // A base that is surely new is read for its digest and for what it holds at the same time.
    const early = (await isSizeKnown(paths, handle)) ? null : examine(handle, compressed, options);
    early?.catch(() => {});
    const source = await staging.prepare(file);
    const known = await recall(paths, source, options);
    if (known !== null) return known;
    const examined = await (early ?? examine(handle, compressed, options));
    return await complete(paths, { source, compressed, examined }, options);
  } finally {
    await handle.close();
  }
}

const memoryOf = (paths: StorePaths, source: BlobName, compression: string): string =>
  join(paths.state, 'bases', `${source.size}-${hexOf(source.digest)}-${compression}.json`);

async function isSizeKnown(paths: StorePaths, handle: FileHandle): Promise<boolean> {
  const { size } = await handle.stat();
  const dir = join(paths.state, 'bases');
  for (const name of await namesIn(dir)) {
    if (name.startsWith(`${size}-`) && (await readMemory(paths, join(dir, name))) !== null) return true;
  }
  return false;
}

/** A memory is worth something as long as the listing that it names is there. */
async function readMemory(
  paths: StorePaths,
  file: string,
): Promise<v.InferOutput<typeof knownSchema> | null> {
  const known = await readRecord(file, knownSchema).catch(() => null);
  return known !== null && (await hasBlob(paths, known.listing)) ? known : null;
}

/** What this store knows of a base from an earlier time, when its listing is still there. */
async function recall(
  paths: StorePaths,
  source: StagedBlob,
  options: BaseOptions,
): Promise<PreparedLayer | null> {
  const known = await readMemory(paths, memoryOf(paths, source, options.compression));
  if (known === null) return null;
  const { descriptor, diffId, listing } = known;
  const members = () => readListingBlob(paths, listing);
  if (options.withoutBase || (await hasBlob(paths, descriptor)))
    return { descriptor, diffId, members, blobs: [] };
  return descriptor.digest === source.digest ? { descriptor, diffId, members, blobs: [source] } : null;
}

/** @throws RbmResumeError `MISSING_BLOB`, `DAMAGED_BLOB`, `BAD_LAYER` */
export async function* readListingBlob(paths: StorePaths, listing: BlobName): AsyncGenerator<LayerMember[]> {
  const blob = await openBlob(paths, listing);
  try {
    await blob.verify();
    yield* readLayerListing(blob.handle.fd);
  } finally {
    await blob.close();
  }
}

/** What is in a base. */
interface Examined {
  readonly diff: LayerDiff;
  readonly members: readonly LayerMember[];
}

async function examine(
  handle: FileHandle,
  compression: Compression,
  options: BaseOptions,
): Promise<Examined> {
  const members: LayerMember[] = [];
  const diff = await readLayer(handle, compression, {
    onMember: (member) => void members.push(toLayerMember(member)),
    onProgress: options.onProgress,
  });
  return { diff, members };
}

/** Makes the layer and remembers it for the next time. */
async function complete(
  paths: StorePaths,
  base: { readonly source: StagedBlob; readonly compressed: Compression; readonly examined: Examined },
  options: BaseOptions,
): Promise<PreparedLayer> {
  const { source, compressed, examined } = base;
  const { staging, withoutBase } = options;
  const { members, diff } = examined;
  const listing = await putListing(staging, { name: 'base', members });
  const kept = layerCompression(compressed, options.compression);
  const blob =
    kept === compressed ? source : await recompress(source, { from: compressed, to: kept, staging });
  const descriptor = {
    mediaType: MEDIA_TYPE_OF[kept],
    digest: blob.digest,
    size: blob.size,
    annotations: {
      ...layerAnnotations({ diffSize: diff.diffSize, listing }),
      [ANNOTATION.base]: options.name,
      ...(blob === source ? {} : { [ANNOTATION.baseSource]: hexOf(source.digest) }),
    },
  };
  const { digest, size } = listing;
  const { diffId } = diff;
  await mkdir(join(paths.state, 'bases'), { recursive: true });
  // A staging folder goes when its writer is killed; only what is whole comes into the other one.
  const memory = join(staging.dir, 'base.json');
  await writeSealedAtomically(memory, {
    format: 1,
    descriptor,
    diffId,
    listing: { digest, size },
  });
  await rename(memory, memoryOf(paths, source, options.compression));
  return { descriptor, diffId, blobs: withoutBase ? [listing] : [blob, listing], members: () => [members] };
}

/** As it is where that fits: zstd is read by fewer than gzip, xz is no layer of OCI at all. */
function layerCompression(found: Compression, asked: 'zstd' | 'gzip'): 'none' | 'gzip' | 'zstd' {
  if (found === 'none' || found === 'gzip') return found;
  return found === 'zstd' && asked === 'zstd' ? 'zstd' : asked;
}

async function recompress(
  source: StagedBlob,
  how: { readonly from: Compression; readonly to: 'none' | 'gzip' | 'zstd'; readonly staging: Staging },
): Promise<StagedBlob> {
  const { from, to, staging } = how;
  const file = join(staging.dir, `base.${to}`);
  const [input, output] = [await open(source.file, 'r'), await open(file, 'wx')];
  try {
    const words = [decompressor(from), compressor(to === 'gzip' ? 'gzip' : 'zstd')].map((argv) =>
      argv.join(' '),
    );
    await exec(['bash', '-c', `set -o pipefail; ${words.join(' | ')}`], {
      stdinFrom: input.fd,
      stdoutTo: output.fd,
    });
  } finally {
    await input.close();
    await output.close();
  }
  return staging.prepare(file);
}

/** Writes the listing of a layer as a blob. */
export async function putListing(
  staging: Staging,
  of: { readonly name: string; readonly members: readonly LayerMember[] },
): Promise<StagedBlob> {
  const file = join(staging.dir, `${basename(of.name)}.listing`);
  await writeLayerListing(file, [of.members]);
  return staging.prepare(file);
}

/** What a layer's descriptor says beside what OCI has. */
export const layerAnnotations = (layer: {
  readonly diffSize: number;
  readonly listing: BlobName;
}): Record<string, string> => ({
  [ANNOTATION.diffSize]: String(layer.diffSize),
  [ANNOTATION.listing]: layer.listing.digest,
  [ANNOTATION.listingSize]: String(layer.listing.size),
});
