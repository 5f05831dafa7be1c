import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { digestOf, parseProjectHash, sha256Hex, type ProjectHash } from '../../lib/digest.js';
import { pullSnapshot } from '../../lib/registry/pull.js';
import { pushSnapshot } from '../../lib/registry/push.js';
import { companionTagOf, tagOf } from '../../lib/registry/remote.js';
import { removeTree } from '../../lib/rootfs/move-tree.js';
import { quarantine } from '../../lib/snapshot/drop.js';
import { openStore } from '../../lib/snapshot/open-store.js';
import { restoreSnapshot } from '../../lib/snapshot/restore.js';
import type { Snapshot } from '../../lib/snapshot/snapshot.js';
import type { JobClass } from '../../lib/trust/job-class.js';
import { NO_POLICY, type Trust } from '../../lib/trust/judge.js';
import { startSmallBuild, type SmallBuild } from '../snapshot/small-build.js';
import { makePolicy, makeSigner } from '../trust/signers.js';
import { TestRegistry } from './registry.js';

const [ci, stranger] = [makeSigner('ci'), makeSigner('stranger')];

describe('what a registry has', { timeout: 240_000 }, () => {
  let work: string;
  let registry: TestRegistry;
  let build: SmallBuild;
  let trusts: Readonly<Record<'branch' | 'protected', Trust>>;
  before(async () => {
    work = mkdtempSync(join(tmpdir(), 'rbm-resume-judged-'));
    registry = await TestRegistry.start();
    build = await startSmallBuild(work);
    const keys = [{ name: 'ci', public_key: ci.publicPem, classes: ['branch', 'protected'] }];
    const policy = await makePolicy({ keys, accept: { protected: ['protected', 'branch'] } });
    const of = (jobClass: JobClass): Trust => ({ policy, jobClass, trouble: null });
    trusts = { branch: of('branch'), protected: of('protected') };
    signed = await job(newHash(), { signer: ci, trust: trusts.branch });
  });
  after(async () => {
    await registry.stop();
    await removeTree(work);
  });
  /** What a job of the class `branch` has pushed. */
  let signed: { readonly snapshot: Snapshot; readonly store: string };
  let made = 0;
  const newStore = () => join(mkdtempSync(join(work, 'job-')), 'store');
  const newHash = () => parseProjectHash(sha256Hex(`judged ${(made += 1)}`));

  /** A job of a class that saves a snapshot in a store of its own, and pushes it. */
  async function job(
    hash: ProjectHash,
    by: { readonly signer?: typeof ci; readonly trust?: Trust; readonly seconds?: number } = {},
  ): Promise<{ snapshot: Snapshot; how: string; store: string }> {
    const { signer, trust = NO_POLICY, seconds = 1 } = by;
    const store = newStore();
    const signing = signer && { key: signer.key, jobClass: trust.jobClass ?? 'branch', builder: null };
    const snapshot = await build.saveLeg(store, { hash, seconds, ...(signing ? { signing } : {}) });
    const { how } = await pushSnapshot(store, hash, { remote: registry.remote, trust });
    return { snapshot, how, store };
  }
  const pull = async (hash: ProjectHash, trust: Trust, store = newStore()) => {
    const before = registry.requests.length;
    const { tags } = await pullSnapshot(store, hash, { remote: registry.remote, trust });
    const fetched = registry.requests
      .slice(before)
      .flatMap((one) => /^GET .*blobs\/(.*)$/.exec(one)?.[1] ?? []);
    return { store, tags, fetched, hows: tags.map((one) => [one.tag.replace(`-${hash}`, ''), one.how]) };
  };
  /** Puts a manifest of somebody's under a tag; its blobs are those of a snapshot that was pushed. */
  async function plant(tag: string, text: string): Promise<void> {
    const { ok, status } = await fetch(
      `http://127.0.0.1:${registry.port}/v2/builds/snapshots/manifests/${tag}`,
      {
        method: 'PUT',
        headers: { 'content-type': 'application/vnd.oci.image.manifest.v1+json' },
        body: text,
      },
    );
    assert.ok(ok, String(status));
  }

  it('is taken and restored when a key of the policy has signed it, by a job of a class that accepts it', async () => {
    const { snapshot } = signed;
    const { hash } = snapshot;
    const { store, hows } = await pull(hash, trusts.protected);
    assert.deepEqual(hows, [
      ['protected', 'nothing'],
      ['branch', 'taken'],
    ]);
    const dir = join(store, '..', 'tree');
    const restored = await restoreSnapshot(store, hash, { dir, trust: trusts.protected });
    assert.ok(restored.entries > 0);
    assert.equal((await openStore(store).open(hash)).attestation?.digest, snapshot.attestation?.digest);
  });

  it('is refused unsigned, and by a stranger, before its layers travel; and is not in the way', async () => {
    const { hash } = signed.snapshot;
    for (const signer of [undefined, stranger]) {
      const asProtected = { ...NO_POLICY, jobClass: 'protected' } as const;
      const bad = await job(hash, { ...(signer ? { signer } : {}), trust: asProtected, seconds: 9 + made });
      assert.equal(bad.how, 'pushed');
      const { store, hows, fetched } = await pull(hash, trusts.protected);
      assert.deepEqual(hows, [
        ['protected', 'refused'],
        ['branch', 'taken'],
      ]);
      assert.equal((await openStore(store).open(hash)).digest, signed.snapshot.digest);
      assert.ok(!fetched.includes(String(bad.snapshot.layers.at(-1)?.descriptor.digest)));
      made += 1;
    }
    // Nor does it keep out what this job pushes, however long it says to have worked.
    const own = await job(hash, { signer: ci, trust: trusts.protected });
    assert.equal(own.how, 'pushed');
    assert.deepEqual((await pull(hash, trusts.protected)).hows, [['protected', 'taken']]);
  });

  it('keeps its signature when one who has not signed pushes the same again', async () => {
    const { snapshot, store } = signed;
    const { hash } = snapshot;
    const index = join(store, 'index.json');
    const { manifests } = JSON.parse(readFileSync(index, 'utf8')) as {
      manifests: { annotations: Record<string, string> }[];
    };
    for (const { annotations } of manifests)
      for (const key of Object.keys(annotations)) if (key.includes('attestation')) delete annotations[key];
    writeFileSync(index, JSON.stringify({ schemaVersion: 2, manifests }));
    assert.equal((await openStore(store).open(hash)).attestation, null);
    await pushSnapshot(store, hash, { remote: registry.remote, trust: trusts.branch });
    const { store: to } = await pull(hash, trusts.branch);
    assert.equal((await openStore(to).open(hash)).digest, snapshot.digest);
  });

  it('is not taken with the signature of another snapshot beside it', async () => {
    const hash = newHash();
    const { snapshot } = await job(hash, { trust: { ...NO_POLICY, jobClass: 'branch' } });
    await plant(
      companionTagOf(snapshot.digest),
      registry.rawManifest(companionTagOf(signed.snapshot.digest)),
    );
    const { tags } = await pull(hash, trusts.branch);
    assert.match(JSON.stringify(tags), /"refused".*what is signed is another snapshot/);
  });

  it('is named and left when it is another image, a snapshot of another build, or of none', async () => {
    const hash = newHash();
    const { manifest } = signed.snapshot.image;
    const lying = { ...manifest, annotations: { ...manifest.annotations, 'org.rbm-resume.hash': hash } };
    const plain = { ...manifest, annotations: {} };
    const cases: [string, RegExp][] = [
      [registry.rawManifest(tagOf(signed.snapshot.hash, 'branch')), /it is a snapshot of [0-9a-f]{64}/],
      [JSON.stringify(plain), /it is the image of something else/],
      // Its record, which the config has, says for which build it is.
      [JSON.stringify(lying), /it is no snapshot/],
      [JSON.stringify({ ...lying, layers: manifest.layers.slice(1) }), /it is no snapshot/],
    ];
    for (const [text, reason] of cases) {
      await plant(tagOf(hash, null), text);
      const { tags, store, fetched } = await pull(hash, NO_POLICY);
      assert.deepEqual(
        tags.map(({ how }) => how),
        ['damaged'],
      );
      assert.match(JSON.stringify(tags), reason);
      assert.deepEqual(await openStore(store).list(), []);
      for (const { digest } of manifest.layers) assert.ok(!fetched.includes(digest));
    }
    assert.equal((await job(hash)).how, 'pushed', 'it is not in the way of what is pushed');
    assert.deepEqual((await pull(hash, NO_POLICY)).hows, [['local', 'taken']]);
  });

  it('is not taken when its bytes are others or missing, and the next push of that machine replaces it', async () => {
    const hash = newHash();
    const { snapshot } = await job(hash, { seconds: 100 });
    const layer = String(snapshot.layers.at(-1)?.descriptor.digest);
    writeFileSync(registry.blobFile(layer), Buffer.alloc(20_000, 'x'));
    const { store, tags } = await pull(hash, NO_POLICY);
    assert.match(JSON.stringify(tags), /"damaged"/);
    assert.deepEqual(await openStore(store).list(), []);
    assert.deepEqual((await pull(hash, NO_POLICY, store)).hows, [['local', 'out-of-use']]);
    const fresh = await build.saveLeg(store, { hash, seconds: 1 });
    const pushed = await pushSnapshot(store, hash, { remote: registry.remote });
    assert.deepEqual([pushed.how, pushed.remoteDigest], ['pushed', fresh.digest]);
    assert.deepEqual((await pull(hash, NO_POLICY)).hows, [['local', 'taken']]);
  });

  it('has listings that may be missing or damaged: the layers are read instead', async () => {
    const hash = newHash();
    const { snapshot } = await job(hash);
    const listing = snapshot.layers.at(-1)?.listing;
    assert.ok(listing);
    writeFileSync(registry.blobFile(listing.digest), Buffer.alloc(listing.size));
    const { store, hows } = await pull(hash, NO_POLICY);
    assert.deepEqual(hows, [['local', 'taken']]);
    await restoreSnapshot(store, hash, { dir: join(store, '..', 'tree') });
  });

  it('with more work in it stays when a machine that has not seen it pushes less, until it is known to be useless', async () => {
    const hash = newHash();
    const { snapshot: long, how } = await job(hash, { seconds: 3600 });
    assert.equal(how, 'pushed');
    const short = await job(hash, { seconds: 60 });
    assert.equal(short.how, 'theirs-stays');
    assert.equal(digestOf(registry.rawManifest(tagOf(hash, null))), long.digest);
    // One who goes on in it has a higher number, though it may count less work.
    const { store } = await pull(hash, NO_POLICY);
    const next = await build.saveLeg(store, { hash, seconds: 61, parent: long.digest });
    assert.equal((await pushSnapshot(store, hash, { remote: registry.remote })).how, 'pushed');
    // One for whom it could not be restored goes on without it.
    const { store: third, tags } = await pull(hash, NO_POLICY);
    assert.equal(tags[0]?.how, 'taken');
    const { paths } = openStore(third);
    for (const entry of await openStore(third).list()) await quarantine(paths, entry, 'a test');
    const clean = await build.saveLeg(third, { hash, seconds: 1 });
    assert.equal(clean.generation, 1);
    const pushed = await pushSnapshot(third, hash, { remote: registry.remote });
    assert.deepEqual([pushed.how, pushed.remoteDigest], ['pushed', clean.digest]);
    assert.ok(next.generation > clean.generation);
  });
});
