import { PassThrough, type Readable } from 'node:stream';
import { once } from 'node:events';
import { RbmResumeError } from '../errors.js';
import { readLayer } from '../layer/read.js';
import { shownPath, sizeOf, typeOf } from '../rootfs/entry.js';
import type { LayerMember } from '../layer/whiteout.js';
import { openBlob } from '../store/blobs.js';
import type { Snapshot, SnapshotLayer } from './snapshot.js';

/** Where the bytes of a file are: a member of one layer. */
interface Place {
  readonly layer: SnapshotLayer;
  readonly path: string;
  /** The file is a copy of the base tarball, which is layer 0 as it lies in the store. */
  readonly isBaseCopy: boolean;
}

/**
 * The content of a regular file of a snapshot as a stream.
 * @throws RbmResumeError `NO_SUCH_FILE`, and through the stream what a damaged layer throws
 */
export async function openContent(snapshot: Snapshot, path: string): Promise<Readable> {
  const entry = (await snapshot.tree()).get(path);
  if (entry === undefined || typeOf(entry) !== 'f') {
    throw new RbmResumeError(
      'NO_SUCH_FILE',
      `${shownPath(path)} is ${entry === undefined ? 'not' : 'no regular file'} in the snapshot`,
      { hint: '`rbm-resume ls` lists what is.', fields: { path } },
    );
  }
  const place = await findPlace(snapshot, { number: entry.layer, path });
  const stream = new PassThrough();
  sendContent(snapshot, place, { stream, size: sizeOf(entry) }).then(
    () => stream.end(),
    (error: unknown) => stream.destroy(error instanceof Error ? error : new Error(String(error))),
  );
  return stream;
}

/** A name that was archived as a hard link has its bytes at its target, in the same layer or a lower one. */
async function findPlace(
  snapshot: Snapshot,
  from: { readonly number: number; readonly path: string },
): Promise<Place> {
  let { path } = from;
  for (let number = from.number; number >= 0;) {
    const layer = snapshot.layers[number];
    if (layer === undefined) break;
    if (layer.baseCopies.some((copy) => copy.path === path)) return { layer, path, isBaseCopy: true };
    const found = await findArchived(snapshot, layer, path);
    if (found === null) number -= 1;
    else if (found.type === 'h') ({ target: path } = found);
    else return { layer, path, isBaseCopy: false };
  }
  throw new RbmResumeError('NO_SUCH_FILE', `no layer has the content of ${shownPath(from.path)}`);
}

/** The last one of that name counts, as when the archive is extracted. */
async function findArchived(
  snapshot: Snapshot,
  layer: SnapshotLayer,
  path: string,
): Promise<LayerMember | null> {
  let found: LayerMember | null = null;
  for await (const members of snapshot.archived(layer))
    found = members.findLast((one) => one.path === path && one.type !== 'w' && one.type !== 'o') ?? found;
  return found;
}

const ZEROS = Buffer.alloc(1 << 16);

async function sendContent(
  snapshot: Snapshot,
  { layer, path, isBaseCopy }: Place,
  to: { readonly stream: PassThrough; readonly size: number },
): Promise<void> {
  const [base = layer] = snapshot.layers;
  const blob = await openBlob(snapshot.paths, (isBaseCopy ? base : layer).descriptor);
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

async function waitForRoom(stream: PassThrough): Promise<void> {
  while (stream.writableNeedDrain && !stream.destroyed) {
    await Promise.race([once(stream, 'drain'), once(stream, 'close')]);
  }
}
