import * as v from 'valibot';
import { hexOf, isDigest, type Digest } from '../digest.js';
import { descriptorSchema } from '../store/oci.js';

/** The number of the format of `manifest.json`; an export of another one is not read. */
export const EXPORT_FORMAT = 1;

/** Written last of all: an export without it is half a one. */
export const EXPORT_MANIFEST = 'manifest.json';
export const EXPORT_PARTS = 'parts';

/** 400 MiB: below what the caches and artifacts of CI services allow a file. */
export const DEFAULT_PART_BYTES = 400 * 1024 * 1024;

const digest = v.custom<Digest>(
  (value) => typeof value === 'string' && isDigest(value),
  'not a sha256 digest',
);
const bytes = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

const partSchema = v.object({
  /** The name in `parts/`, see {@link partFileName}. */
  file: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}\.\d{3,9}$/, 'not the name of a part')),
  size: bytes,
  /** 64 hex digits. */
  sha256: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/, 'not a sha256')),
});

const blobSchema = v.object({ digest, size: bytes, parts: v.array(partSchema) });

/** What `manifest.json` of an export holds. */
export const exportManifestSchema = v.object({
  format: v.literal(EXPORT_FORMAT),
  /** What wrote it, and when. */
  writer: v.string(),
  createdAt: v.pipe(v.string(), v.isoTimestamp()),
  /** As they stood in the index of the store. */
  snapshots: v.array(descriptorSchema),
  /** Everything that the snapshots refer to, once; the parts of a blob, one after the other, are the blob. */
  blobs: v.array(blobSchema),
  /** Blobs that the snapshots refer to and that were left out: bases that somebody else has to bring. */
  absent: v.array(digest),
});

export type ExportManifest = v.InferOutput<typeof exportManifestSchema>;
export type ExportedBlob = v.InferOutput<typeof blobSchema>;
export type ExportedPart = v.InferOutput<typeof partSchema>;

/** How far copying has come, in bytes of blobs. */
export interface TransferProgress {
  readonly bytes: number;
  readonly totalBytes: number;
}

/**
 * The name of part `number` (from 0) of `count`: without the `:` of a digest, which artifact services forbid, and with as many
 * digits as let the shell's `HEX.*` come in the right order.
 */
export function partFileName(of: Digest, part: { readonly number: number; readonly count: number }): string {
  const digits = Math.max(3, String(part.count - 1).length);
  return `${hexOf(of)}.${String(part.number).padStart(digits, '0')}`;
}

/** The sizes of the parts of a blob; an empty one has an empty part. */
export function partSizes(size: number, maxPartSize: number): number[] {
  const count = Math.max(1, Math.ceil(size / maxPartSize));
  return Array.from({ length: count }, (_, number) => Math.min(maxPartSize, size - number * maxPartSize));
}

/** The first thing in which a manifest contradicts itself, or `null`. */
export function findContradiction({ blobs, absent }: ExportManifest): string | null {
  const seen = new Set<Digest>();
  for (const { digest: name, size, parts } of blobs) {
    if (seen.has(name)) return `it has the blob ${name} twice`;
    seen.add(name);
    if (parts.reduce((sum, part) => sum + part.size, 0) !== size)
      return `the parts of ${name} are not as long together as the blob`;
    const misnamed = parts.find(
      ({ file }, number) => file !== partFileName(name, { number, count: parts.length }),
    );
    if (misnamed !== undefined) return `${misnamed.file} is no name for its part of ${name}`;
  }
  const both = absent.find((name) => seen.has(name));
  return both === undefined ? null : `it has the blob ${both} and says that it is absent`;
}
