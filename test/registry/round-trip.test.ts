import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { assertEqualTrees } from '../../fixtures/trees/compare-trees.js';
import { describeTree } from '../../fixtures/trees/describe-tree.js';
import { digestOf, parseProjectHash, sha256Hex } from '../../lib/digest.js';
import { pullSnapshot } from '../../lib/registry/pull.js';
import { pushSnapshot } from '../../lib/registry/push.js';
import { companionTagOf, tagOf } from '../../lib/registry/remote.js';
import { removeTree } from '../../lib/rootfs/move-tree.js';
import { openStore } from '../../lib/snapshot/open-store.js';
import { restoreSnapshot } from '../../lib/snapshot/restore.js';
import { listBlobs } from '../../lib/snapshot/snapshot-blobs.js';
import type { Snapshot } from '../../lib/snapshot/snapshot.js';
import { verifyStore } from '../../lib/snapshot/verify.js';
import { blobPath } from '../../lib/store/blobs.js';
import { startSmallBuild, type SmallBuild } from '../snapshot/small-build.js';
import { TestRegistry } from './registry.js';

const hash = parseProjectHash(sha256Hex('round trip'));
const tag = tagOf(hash, null);

describe('a snapshot that travels by a registry', { timeout: 120_000 }, () => {
  let work: string;
  let registry: TestRegistry;
  let build: SmallBuild;
  let first: Snapshot;
  let second: Snapshot;
  const store = () => join(work, 'store');
  const other = () => join(work, 'other');

  before(async () => {
    work = mkdtempSync(join(tmpdir(), 'rbm-resume-round-trip-'));
    registry = await TestRegistry.start();
    build = await startSmallBuild(work);
    first = await build.saveLeg(store(), { hash });
  });
  after(async () => {
    await registry.stop();
    await removeTree(work);
  });

  it('is there with the same bytes, under the tag of its hash and class', async () => {
    const pushed = await pushSnapshot(store(), hash, { remote: registry.remote });
    assert.deepEqual(
      [pushed.how, pushed.tag, pushed.remoteDigest],
      ['pushed', `local-${hash}`, first.digest],
    );
    assert.equal(`sha256:${sha256Hex(registry.rawManifest(tag))}`, first.digest);
    assert.deepEqual(registry.tags().sort(), [tag, companionTagOf(first.digest)].sort());
    assertHasBlobs(registry, first);
  });

  it('comes back with the same bytes, listings too, and makes the same tree', async () => {
    const pulled = await pullSnapshot(other(), hash, { remote: registry.remote });
    assert.deepEqual(
      pulled.tags.map(({ how }) => how),
      ['taken'],
    );
    const there = await openStore(other()).open(hash);
    assert.equal(there.digest, first.digest);
    for (const { digest } of listBlobs(first).all)
      assert.deepEqual(
        readFileSync(blobPath(there.paths, digest)),
        readFileSync(blobPath(first.paths, digest)),
      );
    assert.deepEqual((await verifyStore(other(), { readData: true })).findings, []);
    const [one, two] = [join(work, 'one'), join(work, 'two')];
    await restoreSnapshot(store(), hash, { dir: one });
    await restoreSnapshot(other(), hash, { dir: two });
    assertEqualTrees(await describeTree(two), await describeTree(one));
  });

  it('moves nothing but what is new, there and back', async () => {
    second = await build.saveLeg(store(), { hash, parent: first.digest });
    const [blobs, requests] = [registry.blobs, registry.requests.length];
    const pushed = await pushSnapshot(store(), hash, { remote: registry.remote });
    assert.equal(pushed.how, 'pushed');
    assertHasBlobs(registry, second);
    const layer = second.layers.at(-1);
    assert.ok(layer?.listing);
    const fresh = [
      second.digest,
      second.image.manifest.config.digest,
      layer.descriptor.digest,
      layer.listing.digest,
    ];
    const added = registry.blobs.filter((one) => !blobs.includes(one));
    // The manifest of what goes with it is the fifth.
    assert.equal(added.length, fresh.length + 1);
    assert.deepEqual(
      fresh.filter((one) => !added.includes(one)),
      [],
    );
    const uploads = registry.requests.slice(requests).filter((one) => one.startsWith('PUT'));
    assert.equal(uploads.length, 5, uploads.join('\n'));

    const before = registry.requests.length;
    await pullSnapshot(other(), hash, { remote: registry.remote });
    const fetched = registry.requests
      .slice(before)
      .flatMap((one) => /^GET .*blobs\/(.*)$/.exec(one)?.[1] ?? []);
    assert.deepEqual(fetched.filter((one) => one === layer.descriptor.digest).length, 1);
    for (const old of listBlobs(first).all) assert.ok(!fetched.includes(old.digest), old.digest);
    const there = await openStore(other()).open(hash);
    assert.deepEqual([there.digest, there.generation], [second.digest, 2]);
  });

  it('leaves the container image where it is, if that is at hand and the very same', async () => {
    const image = first.layers[0]?.descriptor;
    const fetched = async (name: string, base: string) => {
      const before = registry.requests.length;
      const { tags } = await pullSnapshot(join(work, name), hash, { remote: registry.remote, base });
      assert.deepEqual(
        tags.map(({ how }) => how),
        ['taken'],
      );
      const requests = registry.requests.slice(before).join('\n');
      return { hasFetched: requests.includes(`/${image?.digest}`), tag: tags[0] };
    };
    const other = join(work, 'other-image');
    const bytes = readFileSync(build.base);
    bytes[100] = (bytes[100] ?? 0) ^ 1;
    writeFileSync(other, bytes);
    const [all, less] = [await fetched('of-another', other), await fetched('of-the-same', build.base)];
    assert.deepEqual([all.hasFetched, less.hasFetched], [true, false]);
    assert.ok(all.tag?.how === 'taken' && less.tag?.how === 'taken');
    assert.equal(all.tag.result.bytes - less.tag.result.bytes, image?.size);
    assert.deepEqual((await verifyStore(join(work, 'of-the-same'), { readData: true })).findings, []);
    assert.equal((await fetched('of-none', join(work, 'nothing'))).hasFetched, true);
  });

  it('does not travel again', async () => {
    const before = registry.requests.length;
    assert.equal((await pushSnapshot(store(), hash, { remote: registry.remote })).how, 'already-there');
    const pulled = await pullSnapshot(other(), hash, { remote: registry.remote });
    assert.deepEqual(
      pulled.tags.map((one) => [one.how, 'why' in one ? one.why : null]),
      [['skipped', 'already-there']],
    );
    const moved = registry.requests.slice(before).filter((one) => /^PUT|^GET .*blobs/.test(one));
    // skopeo reads configs anew: the one of the image, and `{}` of what belongs to it.
    const configs = [second.image.manifest.config.digest, digestOf('{}')];
    assert.deepEqual(moved.map((one) => one.split('/').at(-1) ?? '').sort(), configs.sort());
  });
});

function assertHasBlobs(registry: TestRegistry, snapshot: Snapshot): void {
  for (const { digest } of listBlobs(snapshot).all)
    assert.deepEqual(readFileSync(registry.blobFile(digest)), readFileSync(blobPath(snapshot.paths, digest)));
}
