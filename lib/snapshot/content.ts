import { PassThrough, type Readable } from 'node:stream';
import { RbmResumeError } from '../errors.js';
import { readLayer } from '../layer/read.js';
import { shownPath, sizeOf, typeOf } from '../rootfs/entry.js';
import type { LayeredTree } from '../layer/merge.js';
import type { LayerMember } from '../layer/whiteout.js';
import { openBlob } from '../store/blobs.js';
import type { StorePaths } from '../store/paths.js';
import { waitForRoom } from '../stream-room.js';
import { archivedIn, type SnapshotLayer } from './snapshot-layer.js';

/** Layers of a store, from the lowest. */
interface StoredLayers {
  readonly paths: StorePaths;
  readonly layers: readonly SnapshotLayer[];
}

/** Where the bytes of a file are: a member of one layer. */
interface Place {
  readonly layer: SnapshotLayer;
  readonly path: string;
  /** The file is a copy of the base tarball, which is layer 0 as it lies in the store. */
  readonly isBaseCopy: boolean;
}

/**
 * The content of a regular file as a stream.
 * @param tree what the layers make
 * @throws RbmResumeError `NO_SUCH_FILE`, and through the stream what a damaged layer throws
 */
export async function openContent(of: StoredLayers, tree: LayeredTree, path: string): Promise<Readable> {
  const entry = tree.get(path);
  if (entry === undefined || typeOf(entry) !== 'f') {
    throw new RbmResumeError(
      'NO_SUCH_FILE',
      `${shownPath(path)} is ${entry === undefined ? 'not' : 'no regular file'} in the snapshot`,
      { hint: '`rbm-resume ls` lists what is.', fields: { path } },
    );
  }
  const place = await findPlace(of, { number: entry.layer, path });
  const stream = new PassThrough();
  sendContent(of, place, { stream, size: sizeOf(entry) }).then(
    () => stream.end(),
    (error: unknown) => stream.destroy(error instanceof Error ? error : new Error(String(error))),
  );
  return stream;
}

/** A name that was archived as a hard link has its bytes at its target, in the same layer or a lower one. */
async function findPlace(
  of: StoredLayers,
  from: { readonly number: number; readonly path: string },
): Promise<Place> {
  let { path } = from;
  for (let number = from.number; number >= 0;) {
    const layer = of.layers[number];
    if (layer === undefined) break;
    if (layer.baseCopies.some((copy) => copy.path === path)) return { layer, path, isBaseCopy: true };
    const found = await findArchived(of, layer, path);
    if (found === null) number -= 1;
    else if (found.type === 'h') ({ target: path } = found);
    else return { layer, path, isBaseCopy: false };
  }
  throw new RbmResumeError('NO_SUCH_FILE', `no layer has the content of ${shownPath(from.path)}`);
}

/** The last one of that name counts, as when the archive is extracted. */
async function findArchived(
  of: StoredLayers,
  layer: SnapshotLayer,
  path: string,
): Promise<LayerMember | null> {
  let found: LayerMember | null = null;
  for await (const members of archivedIn(of.paths, layer))
    found = members.findLast((one) => one.path === path && one.type !== 'w' && one.type !== 'o') ?? found;
  return found;
}

const ZEROS = Buffer.alloc(1 << 16);

async function sendContent(
  of: StoredLayers,
  { layer, path, isBaseCopy }: Place,
  to: { readonly stream: PassThrough; readonly size: number },
): Promise<void> {
  const [base = layer] = of.layers;
  const blob = await openBlob(of.paths, (isBaseCopy ? base : layer).descriptor);
  let sent = 0;
  const send = (chunk: Buffer) => {
    to.stream.write(Buffer.from(chunk));
    sent += chunk.length;
  };
  const sendZerosTo = (offset: number) => {
    while (sent < offset) send(ZEROS.subarray(0, Math.min(ZEROS.length, offset - sent)));
  };
  try {
    await blob.verify();
    if (isBaseCopy) {
      const content = blob.handle.createReadStream({ autoClose: false });
      for await (const chunk of content as AsyncIterable<Buffer>) {
        await waitForRoom(to.stream);
        send(chunk);
      }
      return;
    }
    await readLayer(blob.handle, layer.compression, {
      onMember: (member) =>
        member.path === path
          ? (chunk, offset) => {
              sendZerosTo(offset);
              send(chunk);
            }
          : undefined,
      beforeChunk: () => waitForRoom(to.stream),
    });
    sendZerosTo(to.size);
  } finally {
    await blob.close();
  }
}
