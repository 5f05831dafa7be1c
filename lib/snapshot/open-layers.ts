import { open, type FileHandle } from 'node:fs/promises';
import { hexOf } from '../digest.js';
import { RbmResumeError } from '../errors.js';
import { layerTooBig } from '../layer/bad-layer.js';
import { detectCompression, type Compression } from '../layer/compression.js';
import type { LayerSource } from '../layer/extract.js';
import { mostUnpacked } from '../layer/tar-limits.js';
import { hashFile, openBlob } from '../store/blobs.js';
import { ANNOTATION } from './annotations.js';
import type { Snapshot } from './snapshot.js';
import type { SnapshotLayer } from './snapshot-layer.js';

/** A layer that is open, and how to check its digest through the same descriptor. */
export type OpenLayer = LayerSource & { readonly verify: () => Promise<void> };

/**
 * Opens every layer of a snapshot. Close their handles.
 * @param base the base tarball, used where the store has none
 * @throws RbmResumeError `BASE_NEEDED`, `MISSING_BLOB`, `DAMAGED_BLOB`, `LAYER_TOO_BIG`
 */
export async function openLayers(snapshot: Snapshot, base: string | null): Promise<OpenLayer[]> {
  const opened: OpenLayer[] = [];
  try {
    for (const layer of snapshot.layers) opened.push(await openLayer(snapshot, layer, base));
    const lowest = opened[0]?.handle;
    return opened.map((source, number) => {
      const copied = snapshot.layers[number]?.baseCopies ?? [];
      return lowest === undefined || copied.length === 0
        ? source
        : { ...source, copies: { of: lowest, members: copied } };
    });
  } catch (error) {
    await Promise.all(opened.map(({ handle }) => handle.close()));
    throw error;
  }
}

async function openLayer(snapshot: Snapshot, layer: SnapshotLayer, base: string | null): Promise<OpenLayer> {
  const { number, compression, descriptor } = layer;
  const members = () => snapshot.archived(layer);
  const most = mostUnpacked(descriptor.size);
  const diffSize = layer.diffSize ?? most;
  if (diffSize > most)
    throw layerTooBig(`layer ${number} of ${descriptor.size} bytes would unpack to ${diffSize} bytes`);
  const isBase = number === 0 && descriptor.annotations?.[ANNOTATION.base] !== undefined;
  if (isBase && !(await snapshot.hasBase())) {
    const brought = await openBrought(snapshot, layer, base);
    return { ...brought, diffSize, members, verify: () => Promise.resolve() };
  }
  const blob = await openBlob(snapshot.paths, descriptor);
  return { handle: blob.handle, compression, diffSize, members, verify: () => blob.verify() };
}

/** The base where the store has none: the very tarball that the tree began with. */
async function openBrought(
  snapshot: Snapshot,
  layer: SnapshotLayer,
  file: string | null,
): Promise<{ readonly handle: FileHandle; readonly compression: Compression }> {
  const { annotations = {}, digest } = layer.descriptor;
  const wanted = annotations[ANNOTATION.baseSource] ?? hexOf(digest);
  const name = annotations[ANNOTATION.base] ?? 'the base';
  const needed = (what: string): RbmResumeError =>
    new RbmResumeError('BASE_NEEDED', `the snapshot was stored without its base ${name}, and ${what}`, {
      hint: `Bring the tarball whose sha256 is ${wanted}, or save with the base next time.`,
      fields: { hash: snapshot.hash, sha256: wanted, base: name },
    });
  if (file === null) throw needed('there is none at hand');
  const handle = await open(file, 'r');
  try {
    const found = await hashFile(handle);
    if (hexOf(found.digest) !== wanted)
      throw needed(`${file} is another one (sha256 ${hexOf(found.digest)})`);
    return { handle, compression: await detectCompression(handle, file) };
  } catch (error) {
    await handle.close();
    throw error;
  }
}
