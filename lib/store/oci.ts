import * as v from 'valibot';
import { isDigest, type Digest } from '../digest.js';
import { messageOf } from '../errors.js';

/** Media types. Source: OCI image-spec v1.1, media-types.md. */
export const MEDIA_TYPE = {
  index: 'application/vnd.oci.image.index.v1+json',
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layerTar: 'application/vnd.oci.image.layer.v1.tar',
  layerTarGzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  layerTarZstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
} as const;

/** The annotation of an entry of `index.json` by which `skopeo` and `podman` find it: `oci:STORE:NAME`. */
export const REF_NAME = 'org.opencontainers.image.ref.name';

/** Digests in annotations whose key starts like this are references: gc keeps what they name. */
export const OWN_ANNOTATION_PREFIX = 'org.rbm-resume.';

const digest = v.custom<Digest>(
  (value) => typeof value === 'string' && isDigest(value),
  'not a sha256 digest',
);
const annotations = v.record(v.string(), v.string());

const platform = v.object({
  architecture: v.string(),
  os: v.string(),
  variant: v.exactOptional(v.string()),
});

/** Source: OCI image-spec v1.1, descriptor.md. */
export const descriptorSchema = v.object({
  mediaType: v.string(),
  digest,
  /** Bytes of the blob. */
  size: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
  annotations: v.exactOptional(annotations),
  platform: v.exactOptional(platform),
});

/** Source: OCI image-spec v1.1, manifest.md. */
export const imageManifestSchema = v.object({
  schemaVersion: v.literal(2),
  mediaType: v.exactOptional(v.string()),
  config: descriptorSchema,
  layers: v.array(descriptorSchema),
  subject: v.exactOptional(descriptorSchema),
  annotations: v.exactOptional(annotations),
});

/** Source: OCI image-spec v1.1, image-index.md. */
export const imageIndexSchema = v.object({
  schemaVersion: v.literal(2),
  mediaType: v.exactOptional(v.string()),
  manifests: v.array(descriptorSchema),
  annotations: v.exactOptional(annotations),
});

/** Source: OCI image-spec v1.1, config.md. Docker writes `null` where it has no labels. */
export const imageConfigSchema = v.object({
  architecture: v.string(),
  os: v.string(),
  created: v.exactOptional(v.string()),
  config: v.exactOptional(
    v.nullable(v.object({ Labels: v.exactOptional(v.nullable(v.record(v.string(), v.string()))) })),
  ),
  rootfs: v.object({
    type: v.literal('layers'),
    /** Of each layer's uncompressed bytes, the lowest first. */
    diff_ids: v.array(digest),
  }),
  history: v.exactOptional(
    v.array(
      v.object({
        created: v.exactOptional(v.string()),
        created_by: v.exactOptional(v.string()),
        author: v.exactOptional(v.string()),
        comment: v.exactOptional(v.string()),
        empty_layer: v.exactOptional(v.boolean()),
      }),
    ),
  ),
});

export type Descriptor = v.InferOutput<typeof descriptorSchema>;
export type ImageManifest = v.InferOutput<typeof imageManifestSchema>;
export type ImageIndex = v.InferOutput<typeof imageIndexSchema>;
export type ImageConfig = v.InferOutput<typeof imageConfigSchema>;

/** A value of the shape that was asked for, or what is wrong with it. */
export type Parsed<T> = { readonly value: T } | { readonly problem: string; readonly cause?: unknown };

/** Reads JSON of a known shape. Fields that the shape does not name are kept as they are. */
export function parseJson<S extends v.GenericSchema>(
  schema: S,
  text: string | Uint8Array,
): Parsed<v.InferOutput<S>> {
  let value: unknown;
  try {
    value = JSON.parse(
      typeof text === 'string' ? text : new TextDecoder('utf-8', { fatal: true }).decode(text),
    );
  } catch (cause) {
    return { problem: messageOf(cause), cause };
  }
  const result = v.safeParse(schema, value);
  // The value as it was read, not the schema's copy, which lacks the fields that the schema does not name.
  if (result.success) return { value: value as v.InferOutput<S> };
  const [issue] = result.issues;
  return { problem: `${v.getDotPath(issue) ?? 'the whole'}: ${issue.message}` };
}
