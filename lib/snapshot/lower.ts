import type { Digest } from '../digest.js';
import { RbmResumeError } from '../errors.js';
import { applyLayer, nameHardLinks, type LayeredTree } from '../layer/merge.js';
import { blobPath } from '../store/blobs.js';
import type { StorePaths } from '../store/paths.js';
import type { Staging } from '../store/staging.js';
import { ANNOTATION } from './annotations.js';
import { prepareBase, type DescribedLayer } from './base.js';
import { openStore } from './open-store.js';
import type { SnapshotProgress } from './progress.js';
import type { Snapshot } from './snapshot.js';

/** What a tree began with, and how that is stored. */
export interface LowerOptions {
  /** The tarball that the tree began with: plain, or packed with gzip, xz or zstd. `null`: one layer holds everything. */
  readonly base: string | null;
  /** The file name of the base as rbm knows it. @default the name of the file */
  readonly baseName?: string;
  /** The snapshot that the tree was restored from, or packed as, last. @default null */
  readonly parent?: Digest | null;
  /** @default 'zstd' */
  readonly compression?: 'zstd' | 'gzip';
  /** Leaves the base out of the store: whoever restores has to bring the identical tarball. @default false */
  readonly withoutBase?: boolean;
  readonly onProgress?: (progress: SnapshotProgress) => void;
}

/** What a new layer goes on top of. */
export interface Lower {
  readonly tree: LayeredTree;
  readonly layers: readonly DescribedLayer[];
  /** The base tarball as it is in the store, or will be; `null` where it is left out or was compressed anew. */
  readonly base: { readonly file: string; readonly size: number } | null;
}

/** The layers of the parent, or the base as one, and the tree that they make. */
export async function findLower(paths: StorePaths, staging: Staging, options: LowerOptions): Promise<Lower> {
  if (options.parent) {
    const parent = await openParent(paths, options.parent);
    const layers = parent.layers.map((layer) => ({
      descriptor: layer.descriptor,
      diffId: layer.diffId,
      blobs: [],
    }));
    return { tree: await parent.tree(), layers, base: await rawBaseOf(parent) };
  }
  const tree: LayeredTree = new Map();
  if (options.base === null) return { tree, layers: [], base: null };
  // Its members are let go as soon as they are in the tree.
  const { members, ...base } = await prepareBase(paths, options.base, {
    staging,
    compression: options.compression ?? 'zstd',
    withoutBase: options.withoutBase ?? false,
    name: options.baseName ?? options.base.slice(options.base.lastIndexOf('/') + 1),
    onProgress: (progress) =>
      options.onProgress?.({ ...progress, what: 'reading the base', totalBytes: null }),
  });
  await applyLayer(tree, members(), 0);
  nameHardLinks(tree);
  const { annotations, size } = base.descriptor;
  const isRaw = annotations?.[ANNOTATION.baseSource] === undefined;
  return { tree, layers: [base], base: isRaw ? { file: options.base, size } : null };
}

async function rawBaseOf(parent: Snapshot): Promise<Lower['base']> {
  const [layer] = parent.layers;
  const { annotations = {}, digest = null, size = 0 } = layer?.descriptor ?? {};
  const isRaw = ANNOTATION.base in annotations && !(ANNOTATION.baseSource in annotations);
  if (digest === null || !isRaw || !(await parent.hasBase())) return null;
  return { file: blobPath(parent.paths, digest), size };
}

async function openParent(paths: StorePaths, digest: Digest): Promise<Snapshot> {
  const store = openStore(paths.root);
  const entry = (await store.list()).find((one) => one.digest === digest);
  if (entry !== undefined) return store.open(`${entry.hash}@${entry.generation}`);
  throw new RbmResumeError('NO_SUCH_SNAPSHOT', `the store has no snapshot with the digest ${digest}`, {
    hint: 'Save without a parent: the layer then holds everything.',
    fields: { digest },
  });
}
