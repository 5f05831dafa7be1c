import assert from 'node:assert/strict';
import { it } from 'node:test';
import { inspectSnapshot } from '../../lib/snapshot/inspect.js';
import { HASH, makeSmall } from './small-snapshots.js';

it('inspectSnapshot tells what a snapshot is made of and where it grew', { timeout: 600_000 }, async () => {
  const small = await makeSmall();
  await small.change(
    'rm etc/other; mkdir -p var/tmp/build/obj; head -c 90000 /dev/zero | tr "\\0" x > var/tmp/build/obj/a;' +
      ' head -c 10000 /dev/zero | tr "\\0" y > var/tmp/build/b; ln var/tmp/build/b c; echo t > etc/tiny',
  );
  const snapshot = await small.save({ withoutBase: true });
  const { layers, grew, ...one } = await inspectSnapshot(snapshot);
  assert.deepEqual(
    [
      one.hash,
      one.generation,
      one.project,
      one.version,
      one.step,
      one.targets,
      one.createdAt,
      one.legs.length,
    ],
    [HASH, 1, 'hello', '1.2', 'build', ['release'], '2026-01-02T03:04:05.000Z', 1],
  );
  assert.deepEqual(
    layers.map(({ number, whiteouts, isBase, isPresent }) => ({ number, whiteouts, isBase, isPresent })),
    [
      { number: 0, whiteouts: 0, isBase: true, isPresent: false },
      { number: 1, whiteouts: 1, isBase: false, isPresent: true },
    ],
  );
  assert.equal(one.size, snapshot.size);
  // base, link, tiny, a, b, c, their seven directories, and the root
  assert.equal(one.entries, (await snapshot.tree()).size);
  assert.equal(one.bytes, 90_000 + 10_000 + 5 + 2);
  assert.deepEqual([grew.path, grew.bytes], ['', 100_002]);
  const [build] = grew.directories;
  assert.ok(build);
  assert.ok(
    grew.directories.every(({ path }) => path !== 'etc'),
    'a few bytes are not worth a line',
  );
  assert.match(build.path, /^var\/tmp\/build/);
  assert.ok(build.bytes >= 90_000);
});
