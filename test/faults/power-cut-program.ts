/**
 * What the tests of power cuts run in a mount namespace of its own, so that no other process holds the disk mounted:
 * `KIND WORK CUTS`, or `KIND judge`. Prints one line of JSON.
 */
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { RbmResumeError } from '../../lib/errors.js';
import { exportSnapshots } from '../../lib/snapshot/export.js';
import { importSnapshots } from '../../lib/snapshot/import.js';
import { listSnapshots } from '../../lib/snapshot/open-store.js';
import { saveSnapshot } from '../../lib/snapshot/save.js';
import { verifyStore } from '../../lib/snapshot/verify.js';
import { storePaths } from '../../lib/store/paths.js';
import { HASH, makeSmall, recordOf, root } from '../snapshot/small-snapshots.js';
import { checkReferences, namesInIndex, saveImage } from '../store/oci-images.js';
import { makeDisk, type DiskKind, type LoopDisk } from './loop-disk.js';
import { attachStrace } from './strace.js';

/** Something that is acknowledged again and again below `dir`, and what must be there of it after a cut. */
interface Work {
  readonly once: (dir: string, count: number) => Promise<unknown>;
  /** `acknowledged`: so many were. Throws when one of them is lost, or one is there half. */
  readonly check: (dir: string, acknowledged: number) => Promise<unknown>;
}

const small = await makeSmall();
await small.save();

const images: Work = {
  once: (dir, count) => saveImage(storePaths(dir), `image-${count}`),
  check: async (dir, acknowledged) => {
    if (existsSync(join(dir, 'index.json'))) checkReferences(dir);
    const wanted = Array.from({ length: acknowledged }, (_, count) => `image-${count}`);
    const found = existsSync(join(dir, 'index.json')) ? namesInIndex(dir) : [];
    assert.deepEqual(
      wanted.filter((name) => !found.includes(name)),
      [],
      'an image that was acknowledged is lost',
    );
    await saveImage(storePaths(dir), 'afterwards');
  },
};

const save = (dir: string) =>
  saveSnapshot(dir, { rootfs: small.rootfs, base: small.base, baseline: null, record: recordOf(HASH) });

const snapshots: Work = {
  once: save,
  check: async (dir, acknowledged) => {
    const entries = existsSync(join(dir, 'index.json')) ? await listSnapshots(storePaths(dir)) : [];
    const newest = entries.at(-1)?.generation ?? 0;
    assert.ok(
      newest >= acknowledged,
      `generation ${acknowledged} was acknowledged, and ${newest} is the newest`,
    );
    if (entries.length > 0) assert.deepEqual((await verifyStore(dir, { readData: true })).findings, []);
    assert.equal((await save(dir)).snapshot.generation, newest + 1);
  },
};

const exports: Work = {
  once: (dir, count) => exportSnapshots(small.store, join(dir, `export-${count}`), { maxPartSize: 20_000 }),
  check: async (dir, acknowledged) => {
    const target = join(root, 'imported');
    for (const name of existsSync(dir) ? readdirSync(dir) : []) {
      rmSync(target, { recursive: true, force: true });
      const isWhole = await importSnapshots(target, join(dir, name)).then(
        ({ imported }) => imported.length === 1,
        (error: unknown) => {
          if (error instanceof RbmResumeError && ['NO_EXPORT', 'INCOMPLETE_EXPORT'].includes(error.code))
            return false;
          throw error;
        },
      );
      const number = /^export-(\d+)$/.exec(name)?.[1];
      if (number !== undefined && Number(number) < acknowledged)
        assert.ok(isWhole, `${name} was acknowledged`);
    }
    for (let count = 0; count < acknowledged; count += 1) assert.ok(existsSync(join(dir, `export-${count}`)));
  },
};

/** Works on a disk until the power is cut: right after the last acknowledgement, or while something is done. */
async function cutDuring(disk: LoopDisk, work: Work, dir: string): Promise<number> {
  const wanted = randomInt(3);
  let [acknowledged, isOver] = [0, false];
  let tell = () => {};
  const reached = new Promise<void>((resolve) => {
    tell = resolve;
  });
  const isLate = randomInt(2) === 0;
  const since = performance.now();
  const working = (async () => {
    if (wanted === 0) tell();
    for (let count = 0; !isOver; count += 1) {
      if (count === wanted && !isLate) return tell();
      await work.once(dir, count);
      acknowledged += 1;
      if (acknowledged === wanted) tell();
    }
  })().catch((error: unknown) => {
    // What was cut off fails, by a name.
    assert.ok(error instanceof RbmResumeError || work === images, String(error));
    tell();
  });
  await reached;
  const one = (performance.now() - since) / Math.max(1, wanted);
  if (isLate) await setTimeout(randomInt(Math.max(2, Math.ceil(wanted === 0 ? 300 : one))));
  const known = acknowledged;
  await disk.cut();
  isOver = true;
  await working;
  return known;
}

/** Cuts the power so often. */
async function cutOften(
  disk: LoopDisk,
  work: Work,
  cuts: number,
): Promise<{ readonly acknowledged: number }> {
  let all = 0;
  for (let cut = 0; cut < cuts; cut += 1) {
    const dir = join(disk.dir, `store-${cut}`);
    const acknowledged = await cutDuring(disk, work, dir);
    await disk.remount();
    await work.check(dir, acknowledged);
    all += acknowledged;
    rmSync(dir, { recursive: true, force: true });
  }
  return { acknowledged: all };
}

/** Whether {@link images} finds what is lost where directories are not synced. */
async function judge(disk: LoopDisk): Promise<{ readonly lost: string | null }> {
  let lost: string | null = null;
  for (let tries = 0; tries < 10 && lost === null; tries += 1) {
    const dir = join(disk.dir, `store-${tries}`);
    await images.once(dir, 0);
    const stopPretending = await pretendToSync(dir);
    await images.once(dir, 1).finally(stopPretending);
    await disk.cut();
    await disk.remount();
    lost = await images.check(dir, 2).then(() => null, String);
  }
  return { lost };
}

/** Answers every fsync of the directories of a store in the kernel's place, in all threads of this process, until it is told. */
async function pretendToSync(dir: string): Promise<() => Promise<unknown>> {
  const paths = [dir, join(dir, 'blobs', 'sha256')].flatMap((path) => ['-P', path]);
  const options = ['-o', '/dev/null', ...paths, '-e', 'inject=fsync:retval=0'];
  return (await attachStrace(readdirSync('/proc/self/task'), options)).stop;
}

const [kind = '', name = '', cuts = ''] = process.argv.slice(2);
const disk = await makeDisk(kind as DiskKind);
const work = { images, snapshots, exports }[name];
const result = work === undefined ? await judge(disk) : await cutOften(disk, work, Number(cuts));
process.stdout.write(`${JSON.stringify(result)}\n`);
await disk.remove();
