import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { addLeg, parkTree } from '../../bench/snapshots/parked-tree.js';
import { parseProjectHash, type Digest } from '../../lib/digest.js';
import { execInIdMap } from '../../lib/id-map.js';
import { writeListing } from '../../lib/rootfs/baseline.js';
import { exportSnapshots } from '../../lib/snapshot/export.js';
import { importSnapshots } from '../../lib/snapshot/import.js';
import { listSnapshots, openStore } from '../../lib/snapshot/open-store.js';
import { packKept } from '../../lib/snapshot/pack.js';
import { restoreSnapshot } from '../../lib/snapshot/restore.js';
import { verifyStore } from '../../lib/snapshot/verify.js';
import { collectGarbage } from '../../lib/store/gc.js';
import { storePaths } from '../../lib/store/paths.js';
import { until } from '../rbm/trap-workspace.js';
import { HASH, makeSmall, OTHER_HASH, recordOf } from '../snapshot/small-snapshots.js';
import { checkReferences, namesInIndex } from '../store/oci-images.js';
import type { Ended } from './run-operation.js';

export const THIRD_HASH = parseProjectHash('ef'.repeat(32));

export const OPERATIONS = ['commit', 'save', 'pack', 'export', 'import', 'restore', 'gc'] as const;
export type Operation = (typeof OPERATIONS)[number];

/** A store with a parked tree and two snapshots, as it is before every operation that something is done to. */
export interface Workshop {
  /** Puts everything back; the parked tree stays as it is, since a copy has other inodes. */
  reset(): void;
  /** The words for operation.ts. */
  wordsOf(operation: Operation): string[];
  /** Whatever came between: holds what is there afterwards against what must be, and goes on working with it. */
  check(operation: Operation, ended: Pick<Ended, 'isDone'>): Promise<void>;
}

export async function openWorkshop(): Promise<Workshop> {
  const small = await makeSmall();
  const { store } = small;
  const dir = join(store, '..');
  const paths = storePaths(store);
  const [pristine, source, exported, listing] = ['pristine', 'source', 'exported', 'listing'].map((name) =>
    join(dir, name),
  ) as [string, string, string, string];
  const [target, restored] = [join(dir, 'export'), join(dir, 'restored')];
  const first = await small.save();
  await small.save({ record: recordOf(OTHER_HASH), parent: null, baseline: null, base: null });
  cpSync(store, source, { recursive: true });
  await addThird(source, small);
  await exportSnapshots(source, exported, { names: [THIRD_HASH] });

  const kept = paths.parked(HASH);
  mkdirSync(kept.dir, { recursive: true });
  renameSync(small.rootfs, kept.rootfs);
  const { digest, generation } = first;
  const { base: image, baseline } = small;
  await parkTree({ store, hash: HASH, image, baseline, snapshot: { digest, generation } });
  await until(() => existsSync(kept.synced), 'the parked tree on the disk');
  const change = 'cd "$1"; echo second > etc/second; rm etc/other; head -c 50000 /dev/urandom > etc/random';
  await execInIdMap(['sh', '-ec', change, 'sh', kept.rootfs]);
  await addLeg(store, HASH);
  await writeListing(kept.rootfs, listing);
  const before = (await listSnapshots(paths)).map((entry) => entry.digest);
  const copy = (from: string, to: string) =>
    cpSync(from, to, { recursive: true, filter: (path) => path !== kept.rootfs });
  copy(store, pristine);
  await exportSnapshots(store, join(pristine, 'export'));
  const exportBefore = join(dir, 'export-before');
  renameSync(join(pristine, 'export'), exportBefore);

  const reset = () => {
    const removed = `find "$1" -mindepth 1 -path "$2" -prune -o ! -type d -exec rm {} +`;
    execFileSync('sh', ['-ec', removed, 'sh', store, kept.rootfs]);
    for (const name of readdirSync(paths.state)) {
      if (name !== 'parked') rmSync(join(paths.state, name), { recursive: true });
    }
    for (const name of readdirSync(paths.parkedRoot))
      if (name !== HASH) rmSync(join(paths.parkedRoot, name), { recursive: true });
    for (const name of readdirSync(dir))
      if (name.startsWith(basename(restored)) || name.startsWith('export.') || name === 'export')
        execFileSync('rm', ['-rf', join(dir, name)]);
    cpSync(pristine, store, { recursive: true });
    cpSync(exportBefore, target, { recursive: true });
  };
  const wordsOf = (operation: Operation): string[] => {
    const args: Record<Operation, string[]> = {
      commit: ['image'],
      save: [kept.rootfs, small.base, JSON.stringify(recordOf(THIRD_HASH))],
      pack: [HASH],
      export: [target],
      import: [exported],
      restore: [HASH, restored],
      gc: [OTHER_HASH],
    };
    return [operation, store, ...args[operation]];
  };

  /** What the operation was to bring: whether it is there, whole. */
  const isThere = async (operation: Operation): Promise<boolean> => {
    const hashes = (await listSnapshots(paths)).map(({ hash }) => hash);
    const generations = hashes.filter((hash) => hash === HASH).length;
    switch (operation) {
      case 'commit':
        return namesInIndex(store).includes('image');
      case 'save':
      case 'import':
        return hashes.includes(THIRD_HASH);
      case 'pack':
        return generations === 2;
      case 'gc':
        return !hashes.includes(OTHER_HASH);
      case 'restore':
        return existsSync(restored);
      case 'export':
        return isWholeExport(target, join(dir, 'export.import'));
    }
  };

  const check = async (operation: Operation, { isDone }: Pick<Ended, 'isDone'>): Promise<void> => {
    checkReferences(store);
    const isThereNow = await isThere(operation);
    if (isDone) assert.ok(isThereNow, 'what was acknowledged is lost');
    const wanted = before.filter((one) => operation !== 'gc' || one !== digestOf(OTHER_HASH));
    await checkAll(wanted);
    if (operation === 'restore' && isThereNow) {
      const { path: etc } = { path: join(restored, 'etc', 'base') };
      assert.equal(readFileSync(etc, 'utf8'), 'base\n');
    }
    if (operation === 'restore' && !isThereNow) {
      await restoreSnapshot(store, HASH, { dir: restored });
      assert.deepEqual(
        readdirSync(dir).filter((name) => name.includes('.restoring-')),
        [],
        'half a tree stays',
      );
    }
    // A later operation works, and what the dead have left goes.
    const packed = await packKept(store, HASH);
    assert.equal(packed.how, operation === 'pack' && isThereNow ? 'already-packed' : 'packed');
    await collectGarbage(paths);
    assert.deepEqual(checkReferences(store).sort(), listingsOf(store).sort());
    assert.deepEqual(staleFiles(store, kept.rootfs), []);
    await checkAll(wanted);
    assert.equal((await openStore(store).open(HASH)).generation, 2);
  };
  const digests = new Map((await listSnapshots(paths)).map((entry) => [entry.hash, entry.digest]));
  const digestOf = (hash: typeof HASH): Digest | undefined => digests.get(hash);

  const checkAll = async (wanted: readonly Digest[]): Promise<void> => {
    assert.deepEqual((await verifyStore(store)).findings, []);
    const found = new Set((await listSnapshots(paths)).map((entry) => entry.digest));
    assert.deepEqual(
      wanted.filter((one) => !found.has(one)),
      [],
      'a snapshot that was committed before is lost',
    );
    await writeListing(kept.rootfs, `${listing}.now`);
    assert.ok(readFileSync(`${listing}.now`).equals(readFileSync(listing)), 'the parked tree has changed');
  };
  return { reset, wordsOf, check };
}

async function addThird(store: string, small: Awaited<ReturnType<typeof makeSmall>>): Promise<void> {
  const { saveSnapshot } = await import('../../lib/snapshot/save.js');
  const { rootfs, base } = small;
  await saveSnapshot(store, { rootfs, base, baseline: null, record: recordOf(THIRD_HASH) });
}

/** An export is whole, or told to be none. */
async function isWholeExport(dir: string, store: string): Promise<boolean> {
  rmSync(store, { recursive: true, force: true });
  try {
    return (await importSnapshots(store, dir)).imported.length > 0;
  } catch (error) {
    const code = (error as { code?: string }).code;
    if (code === 'NO_EXPORT' || code === 'INCOMPLETE_EXPORT') return false;
    throw error;
  }
}

/** The blobs that list the layers, which only annotations lead to: hex digits. */
function listingsOf(store: string): string[] {
  const blob = (digest: string) => readFileSync(join(store, 'blobs', 'sha256', digest.slice(7)), 'utf8');
  const index = JSON.parse(readFileSync(join(store, 'index.json'), 'utf8')) as {
    manifests: { digest: string }[];
  };
  const all = index.manifests.flatMap(({ digest }) => [
    ...blob(digest).matchAll(/"org\.rbm-resume\.listing":"sha256:([0-9a-f]{64})"/g),
  ]);
  return [...new Set(all.map(([, hex = '']) => hex))];
}

/** What only somebody who was killed can have left in a store that nobody uses now. */
const staleFiles = (store: string, but: string): string[] =>
  execFileSync('find', [store, '-path', but, '-prune', '-o', '-print'])
    .toString()
    .split('\n')
    .filter((path) =>
      /\.tmp$|\.new$|\.pending\.json$|\.removing-|\.parking-|\/\.rbm-resume\/tmp\/./.test(path),
    );
