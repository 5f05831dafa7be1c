import { mkdir, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import * as v from 'valibot';
import { RbmResumeError, systemErrorCode } from '../errors.js';
import { syncDirectory, writeFileDurably, writeJsonDurably } from './atomic-write.js';
import { namesIn } from './live.js';
import { imageIndexSchema, MEDIA_TYPE, parseJson, type Descriptor, type ImageIndex } from './oci.js';
import type { StorePaths } from './paths.js';
import { namingIoFailures } from '../system-error.js';

/** Source: OCI image-spec v1.1, image-layout.md. */
export const ociLayoutSchema = v.object({ imageLayoutVersion: v.literal('1.0.0') });

/** What `oci-layout` holds. */
export const OCI_LAYOUT = '{"imageLayoutVersion":"1.0.0"}';

/** Turns the entries of `index.json` into those that it shall have; whatever it does not mean must come back as it is. */
export type IndexChange = (
  manifests: readonly Descriptor[],
) => readonly Descriptor[] | Promise<readonly Descriptor[]>;

/**
 * Reads `index.json`; a store that is not there yet has an empty one. Fields and entries that are not ours are kept.
 * @throws RbmResumeError `BAD_INDEX` when it is damaged, is missing beside blobs, or the layout has another version
 */
export function readIndex(paths: StorePaths): Promise<ImageIndex> {
  return namingIoFailures(`reading ${paths.index}`, () => readAndCheck(paths));
}

async function readAndCheck(paths: StorePaths): Promise<ImageIndex> {
  await checkLayoutVersion(paths);
  let text = await readText(paths.index);
  if (text === null) {
    const empty: ImageIndex = { schemaVersion: 2, mediaType: MEDIA_TYPE.index, manifests: [] };
    if ((await namesIn(paths.blobs)).length === 0) return empty;
    // Readers hold no lock, and a store's first writer may have written both since: the index before the blobs.
    text = await readText(paths.index);
  }
  // To take a lost index for an empty one would hand every blob to gc.
  if (text === null) throw badIndex(paths.index, 'it is missing, but there are blobs');
  return parseOrThrow(imageIndexSchema, paths.index, text);
}

/**
 * Changes the entries of `index.json`, atomically and durably. It is read anew for that, so this is to be called under
 * the store's lock. When it rejects, the old index stands, or (only if the directory could not be synced) the new one.
 * @returns the index as it is now
 * @throws RbmResumeError `BAD_INDEX`, and what `change` throws
 */
export async function updateIndex(paths: StorePaths, change: IndexChange): Promise<ImageIndex> {
  await prepareLayout(paths);
  const index = await readIndex(paths);
  const updated = { ...index, manifests: [...(await change(index.manifests))] };
  await writeJsonDurably(paths.index, updated);
  return updated;
}

/**
 * Makes an empty layout where there is none, durably: first `oci-layout`, then `index.json`, then the directory of blobs,
 * so that there are never blobs without an index. To be called under the store's lock.
 * @throws RbmResumeError `BAD_INDEX`
 */
export async function prepareLayout(paths: StorePaths): Promise<void> {
  const index = await readIndex(paths);
  if ((await readText(paths.ociLayout)) === null) await writeFileDurably(paths.ociLayout, OCI_LAYOUT);
  if ((await readText(paths.index)) === null) {
    await writeJsonDurably(paths.index, index);
    await syncAncestors(paths.root);
  }
  if ((await mkdir(paths.blobs, { recursive: true })) === undefined) return;
  await syncDirectory(dirname(paths.blobs));
  await syncDirectory(paths.root);
}

async function checkLayoutVersion(paths: StorePaths): Promise<void> {
  const text = await readText(paths.ociLayout);
  if (text !== null) parseOrThrow(ociLayoutSchema, paths.ociLayout, text);
}

/** The store may lie in folders that were made a moment ago. Those that may not be opened were there before. */
async function syncAncestors(path: string): Promise<void> {
  for (let dir = path; dirname(dir) !== dir; dir = dirname(dir)) {
    try {
      await syncDirectory(dirname(dir));
    } catch (error) {
      if (systemErrorCode(error) !== 'EACCES') throw error;
    }
  }
}

function parseOrThrow<S extends v.GenericSchema>(schema: S, path: string, text: string): v.InferOutput<S> {
  const parsed = parseJson(schema, text);
  if ('value' in parsed) return parsed.value;
  throw badIndex(path, parsed.problem, parsed.cause);
}

const readText = async (path: string): Promise<string | null> =>
  (await readIfThere(path))?.toString() ?? null;

/** The bytes of a file; `null` where there is none. */
export async function readIfThere(path: string): Promise<Buffer | null> {
  try {
    return await readFile(path);
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return null;
    throw error;
  }
}

const badIndex = (path: string, what: string, cause?: unknown): RbmResumeError =>
  new RbmResumeError('BAD_INDEX', `cannot use ${path}: ${what}`, {
    hint: '`rbm-resume verify --repair` rebuilds it from the blobs.',
    cause,
    fields: { path },
  });
