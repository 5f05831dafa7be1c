import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { digestOf } from '../../lib/digest.js';
import { RbmResumeError } from '../../lib/errors.js';
import { execInIdMap } from '../../lib/id-map.js';
import { extractLayers } from '../../lib/layer/extract.js';
import { applyLayer, nameHardLinks, type LayeredTree } from '../../lib/layer/merge.js';
import { removeTree } from '../../lib/rootfs/move-tree.js';
import { layerAnnotations, putListing } from '../../lib/snapshot/base.js';
import { commitImage } from '../../lib/snapshot/image.js';
import { restoreSnapshot } from '../../lib/snapshot/restore.js';
import { MEDIA_TYPE } from '../../lib/store/oci.js';
import { storePaths } from '../../lib/store/paths.js';
import { withStaging } from '../../lib/store/staging.js';
import { HASH, recordOf } from '../snapshot/small-snapshots.js';
import type { HostileLayer } from './hostile-layers.js';

/** The code that a restore fails with where it does not matter who notices. */
export const ANY_REFUSAL = /^(COMMAND_FAILED|INEXACT_RESTORE|BAD_LAYER|DAMAGED_BLOB)$/;

/** What is in the file `sentinel`. */
export const SECRET = 'the content of a file outside';

/** Where hostile layers are extracted, beside something that none of them may touch. */
export interface ProvingGround {
  /** Holds the file `sentinel`, which nothing may change, read or link to. */
  readonly outside: string;
  /** The temporary folder meanwhile. */
  readonly scratch: string;
  /** A path where a tree may be restored to. */
  readonly restored: string;
  /** Puts layers into a store as the snapshot of the build `HASH`, and returns the store's path. */
  forgeSnapshot(layers: readonly HostileLayer[]): Promise<string>;
  /** Restores layers, which must fail with such a code and touch nothing. */
  refuseRestore(layers: readonly HostileLayer[], code: RegExp): Promise<void>;
  /** Extracts them whatever comes of it: nothing in the directory may be, or hold, what lies outside. */
  extractAnyway(layers: readonly HostileLayer[]): Promise<void>;
  removeStore(): Promise<void>;
  end(): Promise<void>;
}

export function openProvingGround(): ProvingGround {
  const temporary = process.env.TMPDIR;
  const work = mkdtempSync(join(tmpdir(), 'rbm-resume-extract-'));
  for (const name of ['outside', 'scratch', 'place']) mkdirSync(join(work, name));
  const [outside, scratch, store] = [
    join(work, 'outside'),
    join(work, 'scratch'),
    join(work, 'place', 'store'),
  ];
  const [sentinel, restored] = [join(outside, 'sentinel'), join(work, 'place', 'restored')];
  writeFileSync(sentinel, SECRET);
  process.env.TMPDIR = scratch;

  /** All that an attack must leave as it is. */
  function lookOutside(): string {
    const { ino, nlink, mode, size, mtimeMs, ctimeMs } = statSync(sentinel);
    const names = [work, outside, '/', '/usr'].map((dir) => readdirSync(dir));
    const content = readFileSync(sentinel, 'utf8');
    const mounts = readFileSync('/proc/mounts', 'utf8')
      .split('\n')
      .filter((line) => line.includes(work) || line.startsWith('rbm-resume'));
    return JSON.stringify([ino, nlink, mode, size, mtimeMs, ctimeMs, names, content, mounts]);
  }
  const before = lookOutside();

  async function forgeSnapshot(layers: readonly HostileLayer[]): Promise<string> {
    await withStaging(storePaths(store), async (staging) => {
      const prepared = [];
      for (const [number, { bytes, members, diffSize = bytes.length, listing: forged }] of layers.entries()) {
        const blob = await staging.put(bytes);
        const listing =
          forged === undefined
            ? await putListing(staging, { name: `layer-${number}`, members })
            : await staging.put(forged);
        prepared.push({
          descriptor: {
            ...{ mediaType: MEDIA_TYPE.layerTar, digest: blob.digest, size: blob.size },
            annotations: layerAnnotations({ diffSize, listing }),
          },
          diffId: digestOf(bytes),
          blobs: [blob, listing],
          members: () => [members],
        });
      }
      await commitImage(storePaths(store), { staging, record: recordOf(HASH), layers: prepared });
    });
    return store;
  }

  async function refuseRestore(layers: readonly HostileLayer[], code: RegExp): Promise<void> {
    const store = await forgeSnapshot(layers);
    const here = readdirSync(join(work, 'place'));
    const error = await restoreSnapshot(store, HASH, { dir: restored }).then(
      () => assert.fail('it was restored'),
      (reason: unknown) => reason,
    );
    assert.ok(error instanceof RbmResumeError, String(error));
    assert.match(error.code, code, error.message);
    assert.ok(!existsSync(restored), 'the name was taken');
    assert.deepEqual(readdirSync(join(work, 'place')), here, 'something was left behind');
    assert.deepEqual(readdirSync(scratch), [], 'something was left in the temporary folder');
    assert.equal(lookOutside(), before);
  }

  async function extractAnyway(layers: readonly HostileLayer[]): Promise<void> {
    const dir = join(work, 'extracted');
    mkdirSync(dir);
    const tree: LayeredTree = new Map();
    const opened = [];
    try {
      for (const [number, { bytes, members, diffSize = bytes.length }] of layers.entries()) {
        await applyLayer(tree, [members], number);
        const path = join(scratch, `layer-${number}`);
        writeFileSync(path, bytes);
        const handle = await open(path, 'r');
        opened.push({ handle, compression: 'none' as const, diffSize, members: () => [members] });
      }
      nameHardLinks(tree);
      await extractLayers(opened, dir, { tree, scratch }).catch((error: unknown) => {
        assert.ok(error instanceof RbmResumeError, String(error));
      });
    } finally {
      await Promise.all(opened.map(({ handle }) => handle.close()));
    }
    const found = await execInIdMap([
      'find',
      dir,
      '-samefile',
      sentinel,
      '-o',
      '-type',
      'b',
      '-o',
      '-type',
      'c',
    ]);
    assert.equal(found.stdout.toString(), '', 'it reaches outside');
    const held = await execInIdMap(['grep', '-rFl', SECRET, dir], { okStatuses: [1] });
    assert.equal(held.stdout.toString(), '', 'it has read what lies outside');
    await removeTree(dir);
    for (const number of layers.keys()) await removeTree(join(scratch, `layer-${number}`));
    assert.equal(lookOutside(), before);
    assert.deepEqual(readdirSync(scratch), []);
  }

  const end = async () => {
    if (temporary === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = temporary;
    await removeTree(work);
  };
  const removeStore = () => removeTree(store);
  return { outside, scratch, restored, forgeSnapshot, refuseRestore, extractAnyway, removeStore, end };
}
