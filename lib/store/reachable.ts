import { isDigest, parseDigest, type Digest } from '../digest.js';
import { hasBlob, readBlob, readJsonBlob } from './blobs.js';
import {
  imageIndexSchema,
  imageManifestSchema,
  MEDIA_TYPE,
  OWN_ANNOTATION_PREFIX,
  type Descriptor,
} from './oci.js';
import type { StorePaths } from './paths.js';

/** Digests with the size that the blob must have; `null` where only an annotation names it. */
export type Reachable = ReadonlyMap<Digest, number | null>;

const INDEX_TYPES: readonly string[] = [
  MEDIA_TYPE.index,
  'application/vnd.docker.distribution.manifest.list.v2+json',
];
const MANIFEST_TYPES: readonly string[] = [
  MEDIA_TYPE.manifest,
  'application/vnd.docker.distribution.manifest.v2+json',
];

/**
 * Every blob that can be reached from these entries of an index: nested indexes, manifests, configs, layers, and what
 * annotations with {@link OWN_ANNOTATION_PREFIX} name. Each index and manifest is read and its digest checked; of the
 * others not even the existence is looked at.
 * @throws RbmResumeError `MISSING_BLOB` or `DAMAGED_BLOB` when an index or a manifest can't be read
 */
export async function findReachable(paths: StorePaths, roots: readonly Descriptor[]): Promise<Reachable> {
  const found = new Map<Digest, number | null>();
  const opened = new Set<Digest>();
  const queue = [...roots];
  const noteAnnotations = (annotations: Readonly<Record<string, string>> = {}) => {
    for (const digest of digestsIn(annotations)) if (!found.has(digest)) found.set(digest, null);
  };
  const note = (descriptor: Descriptor) => {
    found.set(descriptor.digest, descriptor.size);
    noteAnnotations(descriptor.annotations);
  };
  for (let entry = queue.pop(); entry !== undefined; entry = queue.pop()) {
    note(entry);
    if (opened.has(entry.digest)) continue;
    opened.add(entry.digest);
    if (INDEX_TYPES.includes(entry.mediaType)) {
      const index = await readJsonBlob(paths, entry, imageIndexSchema);
      noteAnnotations(index.annotations);
      queue.push(...index.manifests);
    } else if (MANIFEST_TYPES.includes(entry.mediaType)) {
      const manifest = await readJsonBlob(paths, entry, imageManifestSchema);
      noteAnnotations(manifest.annotations);
      [manifest.config, ...manifest.layers].forEach(note);
      // What a subject describes need not be there. Source: OCI image-spec v1.1, manifest.md, "subject".
      if (manifest.subject && (await hasBlob(paths, manifest.subject))) queue.push(manifest.subject);
    } else {
      // Nobody here knows what it is, so whatever it may refer to counts.
      for (const [text] of (await readBlob(paths, entry)).toString('latin1').matchAll(/sha256:[0-9a-f]{64}/g))
        if (!found.has(parseDigest(text))) found.set(parseDigest(text), null);
    }
  }
  return found;
}

const digestsIn = (annotations: Readonly<Record<string, string>>): Digest[] =>
  Object.entries(annotations)
    .filter(([key]) => key.startsWith(OWN_ANNOTATION_PREFIX))
    .flatMap(([, value]) => value.match(/sha256:[0-9a-f]{64}(?![0-9a-f])/g) ?? [])
    .filter(isDigest);
