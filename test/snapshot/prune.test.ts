import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { findLeftovers, pruneLeftovers } from '../../lib/container/prune.js';
import { openStore } from '../../lib/snapshot/open-store.js';
import { pruneSnapshots } from '../../lib/snapshot/prune-snapshots.js';
import { verifyStore } from '../../lib/snapshot/verify.js';
import { storePaths } from '../../lib/store/paths.js';
import { HASH, makeSmall, OTHER_HASH, recordOf, type Small } from './small-snapshots.js';

/** Two generations of one hash, of 1 and 2 January, and one of another, of 3 January. */
async function makeThree(): Promise<Small> {
  const small = await makeSmall();
  await small.change('head -c 40000 /dev/urandom > one');
  await small.save({ record: recordOf(HASH, '2026-01-01T00:00:00.000Z') });
  await small.change('head -c 40000 /dev/urandom > two');
  await small.save({ record: recordOf(HASH, '2026-01-02T00:00:00.000Z') });
  await small.save({
    record: recordOf(OTHER_HASH, '2026-01-03T00:00:00.000Z'),
    parent: null,
    baseline: null,
    base: null,
  });
  return small;
}

const namesIn = async (store: string) =>
  (await openStore(store).list()).map(({ hash, generation }) => `${hash.slice(0, 2)}@${generation}`);

describe('pruneSnapshots', { timeout: 1_200_000 }, () => {
  it('removes no snapshot without a limit, but what nothing refers to', async () => {
    const { store } = await makeThree();
    const garbage = join(store, 'blobs', 'sha256', '0'.repeat(64));
    writeFileSync(garbage, 'garbage');
    const dry = await pruneSnapshots(store, { isDryRun: true });
    assert.deepEqual([dry.snapshots, dry.blobs, dry.bytes, existsSync(garbage)], [[], 1, 7, true]);
    const pruned = await pruneSnapshots(store);
    assert.deepEqual([pruned.snapshots, pruned.blobs, pruned.bytes], [[], 1, 7]);
    assert.deepEqual(await namesIn(store), ['ab@1', 'ab@2', 'cd@1']);
  });

  it('keeps so many generations of each hash, and what the others need', async () => {
    const { store } = await makeThree();
    const dry = await pruneSnapshots(store, { keepGenerations: 1, isDryRun: true });
    assert.deepEqual(await namesIn(store), ['ab@1', 'ab@2', 'cd@1']);
    const { snapshots, blobs, bytes } = await pruneSnapshots(store, { keepGenerations: 1 });
    assert.deepEqual([dry.blobs, dry.bytes], [blobs, bytes]);
    assert.deepEqual(
      snapshots.map(({ generation }) => generation),
      [1],
    );
    assert.deepEqual(await namesIn(store), ['ab@2', 'cd@1']);
    const { findings, unreferenced } = await verifyStore(store, { readData: true });
    assert.deepEqual([findings, unreferenced], [[], 0]);
  });

  it('removes by age, the newest of a hash too', async () => {
    const { store } = await makeThree();
    await pruneSnapshots(store, { keepDays: 3, now: new Date('2026-01-05T12:00:00Z') });
    assert.deepEqual(await namesIn(store), ['cd@1']);
  });

  it('removes copies of a damaged index after a month, or as long as snapshots stay', async () => {
    const { store } = await makeSmall();
    const now = new Date('2026-03-31T12:00:00Z');
    const copy = (name: string, day: string): string => {
      const path = join(store, name);
      writeFileSync(path, '{');
      utimesSync(path, new Date(day), new Date(day));
      return path;
    };
    mkdirSync(store, { recursive: true });
    const old = copy('index.json.damaged-20260301T000000Z', '2026-03-01T00:00:00Z');
    const layout = copy('oci-layout.damaged-20260301T000000Z', '2026-03-01T00:00:00Z');
    const fresh = copy('index.json.damaged-20260320T000000Z', '2026-03-20T00:00:00Z');
    const others = copy('index.json.of-mine', '2020-01-01T00:00:00Z');
    const found = async (limits: object) =>
      (await findLeftovers(store, { now, ...limits })).map(({ what, path }) => `${what} ${path}`).sort();
    assert.deepEqual(await found({}), [`replaced-index ${old}`, `replaced-index ${layout}`]);
    assert.equal((await found({ keepDays: 7 })).length, 3);
    assert.deepEqual(await found({ keepDays: 31 }), []);
    assert.equal((await pruneLeftovers(store, { now })).length, 2);
    assert.deepEqual([old, layout, fresh, others].map(existsSync), [false, false, true, true]);
  });

  it('does not mind a copy of a damaged index that is gone when it looks at it', async () => {
    const { store } = await makeSmall();
    mkdirSync(store, { recursive: true });
    // Its name is there, and nothing behind it.
    symlinkSync('gone', join(store, 'index.json.damaged-20260301T000000Z'));
    assert.deepEqual(await pruneLeftovers(store), []);
  });

  it('removes by bytes the oldest first, those that have a newer one before the others', async () => {
    const { store } = await makeThree();
    const total = sumOfBlobs(store);
    await pruneSnapshots(store, { maxBytes: total });
    assert.deepEqual(await namesIn(store), ['ab@1', 'ab@2', 'cd@1']);
    await pruneSnapshots(store, { maxBytes: total - 1 });
    assert.deepEqual(await namesIn(store), ['ab@2', 'cd@1']);
    await pruneSnapshots(store, { maxBytes: 100_000 });
    assert.deepEqual(await namesIn(store), ['cd@1']);
    await pruneSnapshots(store, { maxBytes: 1 });
    assert.deepEqual([await namesIn(store), readdirSync(join(store, 'blobs', 'sha256'))], [[], []]);
  });

  it('leaves a hash alone that somebody packs or resumes from', async () => {
    const { store } = await makeThree();
    const lock = storePaths(store).hashLock(HASH);
    mkdirSync(dirname(lock), { recursive: true });
    const holder = spawn('flock', [lock, 'sh', '-c', 'echo held; read -r line'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    await new Promise((resolve) => holder.stdout.once('data', resolve));
    const { snapshots, inUse } = await pruneSnapshots(store, { maxBytes: 1 });
    holder.stdin.end();
    assert.deepEqual([snapshots.length, inUse.length, await namesIn(store)], [1, 2, ['ab@1', 'ab@2']]);
  });

  it('refuses limits that mean nothing', async () => {
    const { store } = await makeSmall();
    for (const limits of [{ keepGenerations: 0 }, { keepDays: -1 }, { maxBytes: NaN }])
      await assert.rejects(pruneSnapshots(store, limits), { code: 'USAGE' });
  });
});

function sumOfBlobs(store: string): number {
  const dir = join(store, 'blobs', 'sha256');
  return readdirSync(dir).reduce((sum, name) => sum + statSync(join(dir, name)).size, 0);
}

it('pruneLeftovers removes what is in quarantine', { timeout: 600_000 }, async () => {
  const { store } = await makeSmall();
  const { quarantineRoot } = storePaths(store);
  mkdirSync(quarantineRoot, { recursive: true });
  writeFileSync(join(quarantineRoot, `${HASH}@1.json`), '{}');
  assert.deepEqual(
    (await findLeftovers(store)).map(({ what }) => what),
    ['quarantined'],
  );
  await pruneLeftovers(store);
  assert.deepEqual(readdirSync(quarantineRoot), []);
});

it(
  'pruneLeftovers leaves a build alone whose record the machine cannot read now',
  { timeout: 600_000 },
  async () => {
    const { store } = await makeSmall();
    const { liveRoot } = storePaths(store);
    // To read the memory of a process from its beginning ends with EIO.
    for (const [id, record] of Object.entries({ unreadable: '/proc/self/mem', damaged: '/etc/hostname' })) {
      mkdirSync(storePaths(store).live(id).dir, { recursive: true });
      symlinkSync(record, storePaths(store).live(id).record);
    }
    await pruneLeftovers(store);
    assert.deepEqual(readdirSync(liveRoot), ['unreadable']);
  },
);
