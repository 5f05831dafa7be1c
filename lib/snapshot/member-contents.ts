import type { FileHandle } from 'node:fs/promises';
import { RbmResumeError } from '../errors.js';
import { hashContent, type ContentHash } from '../layer/content-hash.js';
import { readLayer } from '../layer/read.js';
import { openBlob } from '../store/blobs.js';
import type { StorePaths } from '../store/paths.js';
import type { Snapshot } from './snapshot.js';
import type { SnapshotLayer } from './snapshot-layer.js';

/**
 * Where the bytes of a file are: the layer, and which of the members of its archive, counted from 0; `WHOLE` for the blob of
 * the layer as it is, where the file is a copy of that.
 */
export interface MemberPlace {
  readonly layer: SnapshotLayer;
  readonly number: number;
}

const WHOLE = -1;

/**
 * Where the bytes of each file of a snapshot are, by path: a hard link has them where its target had them when it was
 * archived. Paths that a later layer has removed are still there.
 */
export async function findMemberPlaces(snapshot: Snapshot): Promise<Map<string, MemberPlace>> {
  const places = new Map<string, MemberPlace>();
  for (const layer of snapshot.layers) {
    let number = 0;
    for await (const members of snapshot.archived(layer)) {
      for (const { path, type, target } of members) {
        const place = type === 'f' ? { layer, number } : type === 'h' ? places.get(target) : undefined;
        if (place !== undefined) places.set(path, place);
        number += 1;
      }
    }
    const [base = layer] = snapshot.layers;
    for (const { path } of layer.baseCopies) places.set(path, { layer: base, number: WHOLE });
  }
  return places;
}

/** The same text for members that are the same one: equal archives have equal members, however they are compressed. */
export const keyOfPlace = ({ layer, number }: MemberPlace): string =>
  number === WHOLE ? layer.descriptor.digest : `${layer.diffId} ${number}`;

/**
 * Hashes the content of members: reads each layer that holds one of them once, after its digest was checked.
 * @returns hashes by {@link keyOfPlace}
 * @throws RbmResumeError `MISSING_BLOB`, `DAMAGED_BLOB`, `BAD_LAYER`
 */
export async function hashMembers(
  places: Iterable<{ readonly paths: StorePaths; readonly place: MemberPlace }>,
): Promise<Map<string, string>> {
  const wanted = new Map<string, { paths: StorePaths; layer: SnapshotLayer; numbers: Set<number> }>();
  for (const { paths, place } of places) {
    const { layer, number } = place;
    const key = number === WHOLE ? layer.descriptor.digest : layer.diffId;
    const known = wanted.get(key);
    if (known === undefined) wanted.set(key, { paths, layer, numbers: new Set([number]) });
    else known.numbers.add(number);
  }
  const hashes = new Map<string, string>();
  for (const { paths, layer, numbers } of wanted.values()) {
    for (const [number, hash] of await hashMembersOf(paths, layer, numbers))
      hashes.set(keyOfPlace({ layer, number }), hash);
  }
  return hashes;
}

async function hashMembersOf(
  paths: StorePaths,
  layer: SnapshotLayer,
  numbers: ReadonlySet<number>,
): Promise<Map<number, string>> {
  const hashes = new Map<number, string>();
  let number = -1;
  let current: ContentHash | null = null;
  const finish = () => {
    if (current !== null) hashes.set(number, current.digest());
    current = null;
  };
  const blob = await openBlob(paths, layer.descriptor);
  try {
    await blob.verify();
    if (numbers.has(WHOLE)) return new Map([[WHOLE, await hashWhole(blob.handle)]]);
    const { diffId } = await readLayer(blob.handle, layer.compression, {
      onMember: () => {
        finish();
        number += 1;
        if (!numbers.has(number)) return undefined;
        current = hashContent();
        return current.sink;
      },
    });
    if (diffId !== layer.diffId) {
      throw new RbmResumeError('DAMAGED_BLOB', `${blob.path} unpacks to ${diffId}, not to ${layer.diffId}`, {
        fields: { digest: layer.descriptor.digest, path: blob.path, expected: layer.diffId, found: diffId },
      });
    }
  } finally {
    await blob.close();
  }
  finish();
  return hashes;
}

async function hashWhole(handle: FileHandle): Promise<string> {
  const hash = hashContent();
  let offset = 0;
  for await (const chunk of handle.createReadStream({
    autoClose: false,
    start: 0,
  }) as AsyncIterable<Buffer>) {
    hash.sink(chunk, offset);
    offset += chunk.length;
  }
  return hash.digest();
}
