import assert from 'node:assert/strict';
import { readdirSync, readFileSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { isDigest, type Digest } from '../../lib/digest.js';
import { RbmResumeError } from '../../lib/errors.js';
import { exportSnapshots } from '../../lib/snapshot/export.js';
import { importSnapshots } from '../../lib/snapshot/import.js';
import { openStore } from '../../lib/snapshot/open-store.js';
import { openExport } from '../../lib/snapshot/read-export.js';
import { restoreSnapshot } from '../../lib/snapshot/restore.js';
import { Snapshot } from '../../lib/snapshot/snapshot.js';
import { verifyStore } from '../../lib/snapshot/verify.js';
import { openBlob, type BlobName } from '../../lib/store/blobs.js';
import { storePaths } from '../../lib/store/paths.js';
import { readKeptRecord } from '../../lib/store/record.js';
import { sealJson } from '../../lib/store/sealed-json.js';
import { HASH, makeSmall, recordOf, root, type Small } from '../snapshot/small-snapshots.js';

/** All bits of the JSON files with EVERYWHERE, else one of so many. */
const isEverywhere = process.env.EVERYWHERE !== undefined;
const STEP = isEverywhere ? 1 : 101;
const FLIPS_IN_LAYERS = isEverywhere ? 12_000 : 1_000;
const RESTORES = isEverywhere ? 100 : 4;

type Spoilt = { readonly how: string; readonly bytes: Buffer };

/** The file with one bit changed, or cut off; a cut of a file is one of its bytes. */
function* spoil(original: Buffer, step = STEP): Generator<Spoilt> {
  for (let bit = 0; bit < original.length * 8; bit += step) {
    const bytes = Buffer.from(original);
    bytes[bit >> 3]! ^= 1 << (bit & 7);
    yield { how: `bit ${bit & 7} of byte ${bit >> 3}`, bytes };
  }
  for (let length = 0; length < original.length; length += Math.ceil(step / 8))
    yield { how: `cut to ${length} bytes`, bytes: original.subarray(0, length) };
}

/** Puts each spoilt form in the place of a file, which is never changed in place: others may have a link to it. */
async function withEach(
  file: string,
  check: (spoilt: Spoilt) => Promise<void>,
  step = STEP,
): Promise<number> {
  const original = readFileSync(file);
  let count = 0;
  const replace = (bytes: Buffer) => {
    unlinkSync(file);
    writeFileSync(file, bytes);
  };
  try {
    for (const spoilt of spoil(original, step)) {
      replace(spoilt.bytes);
      await check(spoilt);
      count += 1;
    }
  } finally {
    replace(original);
  }
  return count;
}

async function refusal(work: Promise<unknown>, what: string): Promise<RbmResumeError> {
  const error: unknown = await work.then(
    () => assert.fail(`${what} was not noticed`),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof RbmResumeError, `${what}: ${String(error)}`);
  return error;
}

const meansTheSame = (a: Buffer, b: Buffer): boolean => {
  try {
    return isDeepStrictEqual(JSON.parse(a.toString()), JSON.parse(b.toString()));
  } catch {
    return false;
  }
};

describe('a changed bit', { timeout: 1_700_000 }, () => {
  let small: Small;
  let snapshots: Snapshot[];
  const blob = (digest: Digest) => join(small.store, 'blobs', 'sha256', digest.slice(7));
  before(async () => {
    small = await makeSmall();
    await small.change('echo more > more');
    snapshots = [await small.save()];
    await small.change('head -c 3000 /dev/urandom > random');
    snapshots.push(await small.save());
  });
  const blobsOf = (): BlobName[] => [
    ...new Map(
      snapshots
        .flatMap(({ layers }) =>
          layers.flatMap(({ descriptor, listing }) => [descriptor, ...(listing ? [listing] : [])]),
        )
        .map(({ digest, size }): [Digest, BlobName] => [digest, { digest, size }]),
    ).values(),
  ];

  for (const name of ['index.json', 'oci-layout'])
    it(`in ${name} is named by verify, and what is still listed is what it was`, async () => {
      const original = readFileSync(join(small.store, name));
      const known = new Map(snapshots.map((one) => [`${one.hash}@${one.generation}`, one.digest]));
      const count = await withEach(join(small.store, name), async ({ how, bytes }) => {
        const { findings } = await verifyStore(small.store);
        if (!meansTheSame(original, bytes)) assert.notDeepEqual(findings, [], `${name}, ${how}`);
        const listed = await openStore(small.store)
          .list()
          .catch(() => []);
        for (const { hash, generation, digest } of listed) {
          const expected = known.get(`${hash}@${generation}`);
          // A manifest that is not there can't be used by anybody.
          const isUsable = snapshots.some((one) => one.digest === digest);
          assert.ok(!isUsable || digest === expected, `${name}, ${how}: ${hash}@${generation} is ${digest}`);
        }
      });
      assert.ok(count > 0);
    });

  it('in a manifest or config is found by whoever opens the snapshot, and by verify, which name the blob', async () => {
    let count = 0;
    for (const { digest, image, paths, entry } of snapshots)
      for (const one of [digest, image.manifest.config.digest])
        await withEach(blob(one), async ({ how }) => {
          const error = await refusal(Snapshot.open(paths, entry), `${one}, ${how}`);
          assert.deepEqual([error.code, error.fields.digest], ['DAMAGED_BLOB', one]);
          // Each time the whole store would be read: that it sees the same error is enough to be seen now and then.
          if ((count += 1) % (isEverywhere ? 500 : 100) !== 0) return;
          const { findings } = await verifyStore(small.store);
          assert.ok(
            findings.some((finding) => finding.blob === one && finding.code === 'DAMAGED_BLOB'),
            `${one}, ${how}: ${JSON.stringify(findings)}`,
          );
        });
  });

  it('in a layer or a listing is found by whoever opens it, who names the blob', async () => {
    const paths = storePaths(small.store);
    const names = blobsOf();
    const bits = names.reduce((sum, { size }) => sum + size * 8, 0);
    const step = Math.max(1, Math.floor(bits / FLIPS_IN_LAYERS));
    let count = 0;
    for (const name of names)
      count += await withEach(
        blob(name.digest),
        async ({ how }) => {
          const opened = openBlob(paths, name).then((one) => one.verify().finally(() => one.close()));
          const error = await refusal(opened, `${name.digest}, ${how}`);
          assert.deepEqual([error.code, error.fields.digest], ['DAMAGED_BLOB', name.digest]);
        },
        step,
      );
    assert.ok(count >= Math.min(FLIPS_IN_LAYERS, bits), `${count} flips`);
  });

  it('in any blob leaves nothing behind where it was to be restored', async () => {
    const names = readdirSync(join(small.store, 'blobs', 'sha256'))
      .map((name) => `sha256:${name}`)
      .filter(isDigest);
    for (let number = 0; number < RESTORES; number += 1) {
      const digest = names[number % names.length]!;
      const file = blob(digest);
      const original = readFileSync(file);
      const damaged = Buffer.from(original);
      damaged[(number * 7919) % damaged.length]! ^= 1 << (number & 7);
      unlinkSync(file);
      writeFileSync(file, damaged);
      const dir = join(root, `restored-${number}`);
      // Those of the first generation alone don't matter to the second.
      const isUsed = ![snapshots[0]!.digest, snapshots[0]!.image.manifest.config.digest].includes(digest);
      const restored = restoreSnapshot(small.store, `${HASH}@2`, { dir });
      if (isUsed) await refusal(restored, digest);
      else await restored;
      assert.equal(
        readdirSync(root).some((name) => name === `restored-${number}`),
        !isUsed,
      );
      unlinkSync(file);
      writeFileSync(file, original);
    }
  });

  it('in a record is found by its reader, who names the file', async () => {
    const file = join(root, 'record.json');
    const idRange = { first: 0, count: 1 };
    writeFileSync(
      file,
      sealJson({
        ...recordOf(HASH),
        ...{ workspace: null, container: '/c', bootId: 'b', inode: '1', baseline: null },
        idMap: { uid: 0, gid: 0, uids: idRange, gids: idRange },
      }),
    );
    await readKeptRecord(file);
    await withEach(
      file,
      async ({ how }) => {
        const error = await refusal(readKeptRecord(file), how);
        assert.equal(error.code, 'BAD_RECORD');
        assert.ok(error.message.includes(file));
      },
      isEverywhere ? 1 : 7,
    );
  });

  it('in an export is found by the import, which names the file and takes nothing', async () => {
    const dir = join(root, 'exported');
    await exportSnapshots(small.store, dir, { maxPartSize: 2000 });
    const manifest = join(dir, 'manifest.json');
    await withEach(
      manifest,
      async ({ how }) => {
        const error = await refusal(openExport(dir), `manifest.json, ${how}`);
        assert.ok(error.message.includes('manifest.json'), error.message);
      },
      isEverywhere ? 1 : 29,
    );
    const parts = readdirSync(join(dir, 'parts'));
    for (const part of isEverywhere ? parts : parts.slice(0, 3)) {
      const store = join(root, `importing-${part}`);
      const step = readFileSync(join(dir, 'parts', part)).length * 4;
      await withEach(
        join(dir, 'parts', part),
        async ({ how }) => {
          const error = await refusal(importSnapshots(store, dir), `${part}, ${how}`);
          assert.ok(error.message.includes(part), error.message);
          assert.deepEqual(await openStore(store).list(), []);
        },
        step,
      );
    }
  });
});
