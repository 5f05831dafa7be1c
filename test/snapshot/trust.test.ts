import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { digestOf, hexOf, type Digest } from '../../lib/digest.js';
import { exportSnapshots } from '../../lib/snapshot/export.js';
import { importSnapshots } from '../../lib/snapshot/import.js';
import { commitImage } from '../../lib/snapshot/image.js';
import { openStore } from '../../lib/snapshot/open-store.js';
import { restoreSnapshot } from '../../lib/snapshot/restore.js';
import type { Snapshot } from '../../lib/snapshot/snapshot.js';
import { blobPath } from '../../lib/store/blobs.js';
import { collectGarbage } from '../../lib/store/gc.js';
import { storePaths } from '../../lib/store/paths.js';
import { withStaging } from '../../lib/store/staging.js';
import { parseEnvelope, payloadOf } from '../../lib/trust/dsse.js';
import type { JobClass } from '../../lib/trust/job-class.js';
import { NO_POLICY, type Trust } from '../../lib/trust/judge.js';
import type { Signing } from '../../lib/trust/sign.js';
import { parseStatement, type SnapshotPredicate } from '../../lib/trust/statement.js';
import { makePolicy, makeSigner } from '../trust/signers.js';
import { HASH, makeSmall, recordOf, root, type Small } from './small-snapshots.js';

const [ci, stranger] = [makeSigner('ci'), makeSigner('stranger')];
const signedBy = (signer: typeof ci, jobClass: JobClass = 'branch'): Signing => ({
  key: signer.key,
  jobClass,
  builder: 'job 1',
});

interface IndexFile {
  manifests: { digest: string; annotations: Record<string, string> }[];
}
const indexOf = (store: string) => JSON.parse(readFileSync(join(store, 'index.json'), 'utf8')) as IndexFile;
function editIndex(store: string, edit: (index: IndexFile) => void): void {
  const index = indexOf(store);
  edit(index);
  writeFileSync(join(store, 'index.json'), JSON.stringify(index));
}
const ATTESTATION = 'org.rbm-resume.attestation';

function predicateOf(snapshot: Snapshot): SnapshotPredicate {
  assert.ok(snapshot.attestation);
  const envelope = parseEnvelope(readFileSync(blobPath(snapshot.paths, snapshot.attestation.digest)));
  assert.ok('value' in envelope);
  const statement = parseStatement(payloadOf(envelope.value));
  assert.ok('value' in statement);
  return statement.value.predicate;
}

/** Another manifest for the same layers. */
function again(
  small: Small,
  of: Snapshot,
  how: {
    readonly seconds: number;
    readonly signing?: Signing;
    readonly treeDigest?: Digest;
    readonly trust?: Trust;
  },
): Promise<Snapshot> {
  const paths = storePaths(small.store);
  const record = recordOf(HASH);
  const [leg] = record.legs;
  assert.ok(leg);
  return withStaging(paths, (staging) =>
    commitImage(paths, {
      staging,
      record: { ...record, legs: [{ ...leg, seconds: how.seconds }] },
      layers: of.layers.map(({ descriptor, diffId }) => ({ descriptor, diffId, blobs: [] })),
      ...(how.trust === undefined ? {} : { trust: how.trust }),
      ...(how.signing === undefined
        ? {}
        : { signed: { by: how.signing, treeDigest: how.treeDigest ?? digestOf('?'), parent: null } }),
    }),
  );
}

describe('a signed snapshot', { timeout: 240_000 }, () => {
  let trust: Trust;
  before(async () => {
    const keys = [{ name: 'ci', public_key: ci.publicPem, classes: ['branch', 'protected'] }];
    trust = { policy: await makePolicy({ keys }), jobClass: 'branch', trouble: null };
  });
  const restored = (small: Small, by = trust, name: string = HASH) => {
    const dir = join(mkdtempSync(join(root, 'restored-')), 'dir');
    return restoreSnapshot(small.store, name, { dir, trust: by }).finally(() => {
      assert.deepEqual(
        readdirSync(join(dir, '..')).filter((name) => name !== 'dir'),
        [],
      );
    });
  };
  const refusal = (message: RegExp) => ({ code: 'NOT_TRUSTED', message });

  it('says of which project, base, step, tree, generation, parent and class it is, and is restored', async () => {
    const small = await makeSmall();
    const first = await small.save({ signing: signedBy(ci) });
    await small.change('echo more > etc/more');
    const second = await small.save({ signing: signedBy(ci) });
    const [one, two] = [predicateOf(first), predicateOf(second)];
    const base = second.layers[0]?.descriptor.digest;
    assert.deepEqual(
      [two.projectHash, two.baseDigest, two.step, two.generation, two.parent, two.class, two.builder],
      [HASH, base, 'build', 2, first.digest, 'branch', 'job 1'],
    );
    assert.deepEqual([one.generation, one.parent], [1, null]);
    assert.notEqual(one.treeDigest, two.treeDigest);
    assert.equal(Date.parse(two.expiresAt) - Date.parse(two.createdAt), 30 * 86_400_000);
    await collectGarbage(storePaths(small.store));
    for (const name of [`${HASH}@1`, HASH])
      assert.equal(
        (await restored(small, trust, name)).entries,
        (
          await openStore(small.store)
            .open(name)
            .then((s) => s.tree())
        ).size,
      );
  });

  it('is restored where its listings are gone, to the same tree', async () => {
    const small = await makeSmall();
    const snapshot = await small.save({ signing: signedBy(ci) });
    for (const { listing } of snapshot.layers)
      if (listing !== null) rmSync(blobPath(snapshot.paths, listing.digest));
    await restored(small);
  });

  it('is refused by a stranger, for another class, and unsigned, before anything of it is read', async () => {
    const small = await makeSmall();
    const snapshot = await small.save({ signing: signedBy(stranger) });
    for (const { descriptor, listing } of snapshot.layers)
      for (const digest of [descriptor.digest, listing?.digest])
        if (digest !== undefined) rmSync(blobPath(snapshot.paths, digest));
    await assert.rejects(restored(small), refusal(/signed by nobody whom the policy knows/));
    await assert.rejects(restored(small, { ...trust, jobClass: 'protected' }), { code: 'NOT_TRUSTED' });
    await assert.rejects(restored(small, NO_POLICY), { code: 'BASE_NEEDED' });
    editIndex(small.store, ({ manifests: [entry] }) => delete entry?.annotations[ATTESTATION]);
    await assert.rejects(restored(small), refusal(/nobody has signed it/));
  });

  it('is refused with the attestation of another, in whatever way the index names it', async () => {
    const small = await makeSmall();
    const first = await small.save({ signing: signedBy(ci) });
    await small.save();
    editIndex(small.store, ({ manifests }) => {
      const [one, two] = manifests;
      assert.ok(one && two);
      for (const key of [ATTESTATION, `${ATTESTATION}-size`])
        two.annotations[key] = one.annotations[key] ?? '';
    });
    await assert.rejects(restored(small), refusal(/what is signed is another snapshot/));
    await restored(small, trust, `${HASH}@1`);
    editIndex(small.store, ({ manifests }) => {
      const one = manifests.find(({ digest }) => digest === first.digest);
      assert.ok(one);
      one.annotations['org.rbm-resume.generation'] = '7';
    });
    await assert.rejects(restored(small, trust, `${HASH}@7`), { code: 'NO_SUCH_SNAPSHOT' });
  });

  it('is refused where its attestation is missing, or is no attestation', async () => {
    const small = await makeSmall();
    const { attestation, paths } = await small.save({ signing: signedBy(ci) });
    assert.ok(attestation);
    const file = blobPath(paths, attestation.digest);
    const bytes = readFileSync(file);
    writeFileSync(file, Buffer.concat([bytes.subarray(1), Buffer.from('x')]));
    await assert.rejects(restored(small), refusal(/its attestation can't be read/));
    rmSync(file);
    await assert.rejects(restored(small), refusal(/its attestation can't be read/));
    editIndex(small.store, ({ manifests: [entry] }) => {
      assert.ok(entry);
      entry.annotations[ATTESTATION] = entry.digest;
      entry.annotations[`${ATTESTATION}-size`] = String(
        readFileSync(blobPath(paths, entry.digest as Digest)).length,
      );
    });
    await assert.rejects(restored(small), refusal(/its attestation is none/));
  });

  it('is not restored when another tree was signed', async () => {
    const small = await makeSmall();
    const snapshot = await small.save({ signing: signedBy(ci) });
    await again(small, snapshot, { seconds: 1, signing: signedBy(ci), treeDigest: digestOf('another') });
    await assert.rejects(restored(small), { code: 'INEXACT_RESTORE', message: /was signed/ });
    await again(small, snapshot, {
      ...{ seconds: 2, signing: signedBy(ci) },
      treeDigest: predicateOf(snapshot).treeDigest,
    });
    await restored(small);
  });

  it('travels, and is taken only where the policy lets it', async () => {
    const small = await makeSmall();
    const snapshot = await small.save({ signing: signedBy(ci) });
    const dir = mkdtempSync(join(root, 'export-'));
    await exportSnapshots(small.store, dir);
    const other = join(dir, '..', `other-${Date.now()}`);
    const refused = await importSnapshots(other, dir, { trust: { ...trust, jobClass: 'protected' } });
    assert.deepEqual([refused.imported, refused.bytes], [[], 0]);
    assert.match(refused.refused.map(({ reason }) => reason).join(), /made by a job of class branch/);
    assert.ok(!existsSync(join(other, 'index.json')) || indexOf(other).manifests.length === 0);
    const taken = await importSnapshots(other, dir, { trust });
    assert.deepEqual(
      taken.imported.map(({ digest }) => digest),
      [snapshot.digest],
    );
    const to = join(mkdtempSync(join(root, 'restored-')), 'dir');
    await restoreSnapshot(other, HASH, { dir: to, trust });
    assert.equal((await importSnapshots(other, dir, { trust })).skipped[0]?.why, 'already-there');
  });

  it('is not displaced by what is not trusted, whether that is imported, saved or there before', async () => {
    const [mine, theirs] = [await makeSmall(), await makeSmall()];
    const good = await mine.save({ signing: signedBy(ci) });
    const bad = await theirs.save({ signing: signedBy(stranger) });
    // More work, and of every number up to the fourth.
    for (const seconds of [1000, 2000, 3000])
      await again(theirs, bad, { seconds, signing: signedBy(stranger) });
    const dir = mkdtempSync(join(root, 'export-'));
    await exportSnapshots(theirs.store, dir, { allGenerations: true });
    const { imported, displaced, refused } = await importSnapshots(mine.store, dir, { trust });
    assert.deepEqual([imported, displaced, refused.map(({ generation }) => generation)], [[], [], [3, 4]]);
    // Somebody without a policy has put them there all the same.
    await importSnapshots(mine.store, dir);
    const digests = async () => (await openStore(mine.store).list()).map(({ digest }) => digest);
    assert.ok(!(await digests()).includes(good.digest), 'nothing was displaced without a policy either');
    const back = mkdtempSync(join(root, 'export-'));
    const fresh = await makeSmall();
    const first = await fresh.save({ signing: signedBy(ci) });
    await exportSnapshots(fresh.store, back);
    const result = await importSnapshots(mine.store, back, { trust });
    assert.deepEqual([result.imported.map(({ digest }) => digest), result.displaced], [[first.digest], []]);
    const saved = await mine.save({ signing: signedBy(ci), trust, parent: null });
    assert.equal(saved.generation, 2);
    const { manifests } = indexOf(mine.store);
    assert.equal(manifests.length, 4);
    assert.equal(
      new Set(manifests.map(({ annotations }) => annotations['org.opencontainers.image.ref.name'])).size,
      4,
    );
  });

  it('takes the place of the same snapshot without a signature that counts', async () => {
    const small = await makeSmall();
    await small.save({ signing: signedBy(ci) });
    const dir = mkdtempSync(join(root, 'export-'));
    await exportSnapshots(small.store, dir);
    editIndex(small.store, ({ manifests: [entry] }) => delete entry?.annotations[ATTESTATION]);
    await collectGarbage(storePaths(small.store));
    await assert.rejects(restored(small), refusal(/nobody has signed it/));
    assert.equal((await importSnapshots(small.store, dir, { trust })).imported.length, 1);
    assert.equal(indexOf(small.store).manifests.length, 1);
    await restored(small);
    assert.ok(
      existsSync(
        join(
          small.store,
          'blobs',
          'sha256',
          hexOf((await openStore(small.store).open(HASH)).attestation!.digest),
        ),
      ),
    );
  });
});
