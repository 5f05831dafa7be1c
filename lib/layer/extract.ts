import { mkdir, mkdtemp, open, rm, writeFile, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { sizeOf } from '../rootfs/entry.js';
import { decompressor, type Compression } from './compression.js';
import { encodeFile } from './encode.js';
import { writeExclusions } from './exclusions.js';
import type { LayeredTree } from './merge.js';
import { watchPositions } from './read-position.js';
import { extractInSandbox, type ExtractSize, type ExtractStep } from './sandbox.js';
import type { LayerMember, MemberBatches } from './whiteout.js';

/** A layer that is to be extracted. */
export interface LayerSource {
  /** Its file, open at the beginning; the digest is checked through this very handle. */
  readonly handle: FileHandle;
  readonly compression: Compression;
  /** Bytes of the uncompressed archive: not one more is read. */
  readonly diffSize: number;
  /** What is in the archive; each call begins anew. */
  members(): MemberBatches;
  /** Plain files that the layer has beside its archive: copies of the file that is open as `of`. */
  readonly copies?: { readonly of: FileHandle; readonly members: readonly LayerMember[] };
}

/**
 * Extracts layers into an empty directory, as the tree that was merged of them: what a later layer replaces or removes is
 * left out of the earlier one, so nothing is written twice and no whiteout is carried out after the fact. Archives
 * that hold more bytes, or larger files, than their listings say are cut off.
 * @param options.scratch a folder of the caller's for small files, on any file system
 * @throws RbmResumeError `BAD_LAYER`, `COMMAND_FAILED`; then `dir` holds a part of the tree and is the caller's to remove
 */
export async function extractLayers(
  layers: readonly LayerSource[],
  dir: string,
  options: {
    readonly tree: LayeredTree;
    readonly scratch: string;
    /** Told now and then how many bytes of the layers' files have been read. */
    readonly onBytes?: ((bytes: number) => void) | undefined;
  },
): Promise<void> {
  const { tree } = options;
  const work = await mkdtemp(join(options.scratch, 'extract-'));
  const opened: FileHandle[] = [];
  try {
    const [lists, box] = [join(work, 'lists'), join(work, 'box')];
    await mkdir(lists);
    await mkdir(box);
    const steps: ExtractStep[] = [];
    let entries = 0;
    for (const [number, layer] of layers.entries()) {
      steps.push(...(await prepareCopies(layer, { number, tree }, { lists, opened, first: steps.length })));
      const members = () => layer.members();
      entries += await writeExclusions(join(lists, String(steps.length)), { number, tree, members });
      const unpack = `${decompressor(layer.compression).join(' ')} | ${cutOffAfter(layer.diffSize)}`;
      steps.push({ fd: layer.handle.fd, unpack });
    }
    const size = { ...sizeOfAll(layers, tree), entries };
    const fds = layers.map(({ handle }) => handle.fd);
    await watchPositions(fds, options.onBytes, () => extractInSandbox(dir, steps, { box, lists, size }));
  } finally {
    await Promise.all(opened.map((handle) => handle.close()));
    await rm(work, { recursive: true, force: true });
  }
}

/** What bounds the programs that extract. Archives without a known size count as what the tree holds. */
function sizeOfAll(layers: readonly LayerSource[], tree: LayeredTree): Omit<ExtractSize, 'entries'> {
  let [largestFile, fileBytes] = [0, 0];
  for (const entry of tree.values()) {
    const size = sizeOf(entry);
    largestFile = Math.max(largestFile, size);
    fileBytes += size;
  }
  const known = layers.map(({ diffSize }) => diffSize).filter((size) => size < Number.MAX_SAFE_INTEGER);
  const archiveBytes = known.reduce((sum, size) => sum + size, 0);
  return { largestFile, bytes: fileBytes + archiveBytes };
}

/** Lets so many bytes through. GNU head copies pieces of 8 KiB, which takes longer than zstd. */
const cutOffAfter = (bytes: number): string =>
  `dd bs=1M iflag=fullblock,count_bytes count=${bytes} status=none`;

/**
 * Makes archives of one file each for the copies that a layer has: the header is written beside the lists, the content comes
 * from the file itself. They come before the layer's own archive, which sets the times of the directories above them.
 */
async function prepareCopies(
  layer: LayerSource,
  { number, tree }: { readonly number: number; readonly tree: LayeredTree },
  to: { readonly lists: string; readonly opened: FileHandle[]; readonly first: number },
): Promise<ExtractStep[]> {
  const steps: ExtractStep[] = [];
  for (const member of layer.copies?.members ?? []) {
    if (layer.copies === undefined || tree.get(member.path)?.layer !== number) continue;
    const name = String(to.first + steps.length);
    const { head, tail } = encodeFile(member);
    const files = { names: '', options: '', head, tail };
    for (const [ending, content] of Object.entries(files))
      await writeFile(join(to.lists, `${name}.${ending}`), content);
    // Another descriptor of the very same file, since the layer below reads it with an offset of its own.
    const handle = await open(`/proc/self/fd/${layer.copies.of.fd}`, 'r');
    to.opened.push(handle);
    steps.push({ fd: handle.fd, unpack: `cat /lists/${name}.head - /lists/${name}.tail` });
  }
  return steps;
}
