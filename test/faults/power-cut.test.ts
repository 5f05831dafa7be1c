import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { RbmResumeError } from '../../lib/errors.js';
import { exportSnapshots } from '../../lib/snapshot/export.js';
import { importSnapshots } from '../../lib/snapshot/import.js';
import { listSnapshots } from '../../lib/snapshot/open-store.js';
import { saveSnapshot } from '../../lib/snapshot/save.js';
import { verifyStore } from '../../lib/snapshot/verify.js';
import { storePaths } from '../../lib/store/paths.js';
import { HASH, makeSmall, recordOf, root, type Small } from '../snapshot/small-snapshots.js';
import { checkReferences, namesInIndex, saveImage } from '../store/oci-images.js';
import { DISK_KINDS, makeDisk, whyNoDisk, type LoopDisk } from './loop-disk.js';
import { isEverywhere } from './points.js';
import { whyNoStrace } from './run-operation.js';

/** Something that is acknowledged again and again below `dir`, and what must be there of it after a cut. */
interface Work {
  readonly once: (dir: string, count: number) => Promise<unknown>;
  /** `acknowledged`: so many were. Throws when one of them is lost, or one is there half. */
  readonly check: (dir: string, acknowledged: number) => Promise<unknown>;
  /** How many cuts in the long form, on each kind of file system. */
  readonly cuts: number;
}

let small: Small;

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
  cuts: 100,
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
  cuts: 100,
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
  cuts: 60,
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

for (const kind of DISK_KINDS) {
  const reason = await whyNoDisk(kind);
  if (reason !== null) process.stderr.write(`power cuts on ${kind} were NOT TESTED: ${reason}\n`);

  describe(`a power cut on ${kind}`, { timeout: 14_400_000, skip: reason ?? false }, () => {
    let disk: LoopDisk;
    before(async () => {
      small = await makeSmall();
      await small.save();
      disk = await makeDisk(kind);
    });
    after(() => disk.remove());

    for (const [name, work] of Object.entries({ images, snapshots, exports })) {
      it(`loses none of the ${name} that were acknowledged, and leaves none half there`, async (t) => {
        const cuts = Number(process.env.CUTS ?? (isEverywhere ? work.cuts : 3));
        let kept = 0;
        for (let cut = 0; cut < cuts; cut += 1) {
          const dir = join(disk.dir, name);
          const acknowledged = await cutDuring(disk, work, dir);
          await disk.remount();
          await work.check(dir, acknowledged);
          kept += acknowledged;
          rmSync(dir, { recursive: true, force: true });
        }
        t.diagnostic(`${cuts} cuts, ${kept} acknowledged before them`);
      });
    }
  });
}

describe('the judge of power cuts', async () => {
  const reason = (await whyNoDisk('ext4')) ?? whyNoStrace();
  if (reason !== null) process.stderr.write(`the judge of power cuts was NOT TESTED: ${reason}\n`);

  it('finds what is lost where directories are not synced', { skip: reason ?? false }, async () => {
    const disk = await makeDisk('ext4');
    try {
      const dir = join(disk.dir, 'images');
      let lost: unknown = null;
      for (let tries = 0; tries < 10 && lost === null; tries += 1) {
        await images.once(dir, 0);
        const pretending = await pretendToSync(dir);
        await images.once(dir, 1).finally(pretending);
        await disk.cut();
        await disk.remount();
        lost = await images.check(dir, 2).then(
          () => null,
          (error: unknown) => error,
        );
        rmSync(dir, { recursive: true, force: true });
      }
      assert.match(String(lost), /image that was acknowledged is lost/);
    } finally {
      await disk.remove();
    }
  });
});

/** Answers every fsync of the directories of a store in the kernel's place, in all threads of this process, until it is told. */
async function pretendToSync(dir: string): Promise<() => Promise<void>> {
  const paths = [dir, join(dir, 'blobs', 'sha256')].flatMap((path) => ['-P', path]);
  const threads = readdirSync('/proc/self/task');
  const tracer = spawn(
    'strace',
    ['-o', '/dev/null', ...paths, '-e', 'inject=fsync:retval=0', ...threads.flatMap((tid) => ['-p', tid])],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  const ended = once(tracer, 'close');
  let text = '';
  await new Promise<void>((resolve, reject) => {
    tracer.stderr.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      if (text.split('attached').length > threads.length) resolve();
    });
    ended.then(() => reject(new Error(`strace: ${text}`)), reject);
  });
  return async () => {
    tracer.kill('SIGINT');
    await ended;
  };
}
