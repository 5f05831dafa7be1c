import assert from 'node:assert/strict';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { digestOf } from '../../lib/digest.js';
import { blobPath, openBlob } from '../../lib/store/blobs.js';
import { commit } from '../../lib/store/commit.js';
import { storePaths, type StorePaths } from '../../lib/store/paths.js';
import { linkOrCopy, withStaging } from '../../lib/store/staging.js';
import { checkReferences, filesBelow, namesInIndex, saveImage, stageImage } from './oci-images.js';

let root: string;
let paths: StorePaths;
before(() => {
  root = mkdtempSync(join(tmpdir(), 'rbm-resume-staging-'));
  paths = storePaths(join(root, 'store'));
});
after(() => rmSync(root, { recursive: true }));

describe('a staging folder', () => {
  it('is gone after the work, and after an error in it', async () => {
    await withStaging(paths, ({ dir }) => {
      assert.deepEqual(readdirSync(dir), ['in-use']);
      return Promise.resolve();
    });
    await assert.rejects(
      withStaging(paths, async ({ put }) => {
        await put('half of it');
        throw new Error('mine');
      }),
      /mine/,
    );
    assert.deepEqual(readdirSync(paths.stagingRoot), []);
  });

  it('tells the digest and size of a file, and refuses one that is not what was written', async () => {
    await withStaging(paths, async ({ dir, prepare }) => {
      const file = join(dir, 'layer');
      writeFileSync(file, 'content');
      const found = await prepare(file, { digest: digestOf('content'), size: 7 });
      assert.deepEqual(found, { digest: digestOf('content'), size: 7, file });
      await assert.rejects(prepare(file, { digest: digestOf('contenT'), size: 7 }), { code: 'DAMAGED_BLOB' });
      await assert.rejects(prepare(file, { digest: digestOf('content'), size: 8 }), { code: 'DAMAGED_BLOB' });
      await assert.rejects(prepare(join(dir, 'none')), { code: 'STORE_WRITE_FAILED' });
    });
  });

  it('takes a file by hard link, also through a symbolic link', async () => {
    const base = join(root, 'base');
    writeFileSync(base, 'base');
    symlinkSync('base', join(root, 'link-to-base'));
    await withStaging(paths, async ({ dir }) => {
      assert.equal(await linkOrCopy(join(root, 'link-to-base'), join(dir, 'base')), 'linked');
      assert.equal(statSync(join(dir, 'base')).ino, statSync(base).ino);
      await assert.rejects(linkOrCopy(base, join(dir, 'base')), { code: 'STORE_WRITE_FAILED' });
      await assert.rejects(linkOrCopy(join(root, 'none'), join(dir, 'none')), { code: 'ENOENT' });
    });
  });
});

describe('a commit', () => {
  it('shows blobs only together with the entry that leads to them', async () => {
    await withStaging(paths, async (staging) => {
      const { blobs, manifest } = await stageImage(staging);
      assert.ok(!existsSync(paths.blobs) || readdirSync(paths.blobs).length === 0);
      await commit(paths, { blobs, updateIndex: (manifests) => [...manifests, manifest] });
      assert.deepEqual(readdirSync(paths.blobs).sort(), blobs.map(({ digest }) => digest.slice(7)).sort());
    });
    assert.deepEqual(checkReferences(paths.root), []);
  });

  it('puts a good blob in the place of a damaged one', async () => {
    const healed = storePaths(join(root, 'healed'));
    await withStaging(healed, async (staging) => {
      const { blobs, manifest } = await stageImage(staging);
      const updateIndex = () => [manifest];
      const contents = blobs.map(({ file }) => readFileSync(file));
      await commit(healed, { blobs, updateIndex });
      blobs.forEach(({ digest, size }) => writeFileSync(blobPath(healed, digest), Buffer.alloc(size)));
      const again = await Promise.all(contents.map((content) => staging.put(content)));
      await commit(healed, { blobs: again, updateIndex });
    });
    assert.deepEqual(checkReferences(healed.root), []);
  });

  it('of a linked base that is there already keeps one file', async () => {
    const linked = storePaths(join(root, 'linked'));
    const base = join(root, 'linked-base');
    writeFileSync(base, 'base');
    for (let time = 0; time < 2; time += 1) {
      await withStaging(linked, async ({ dir, prepare }) => {
        await linkOrCopy(base, join(dir, 'base'));
        const blob = await prepare(join(dir, 'base'));
        const entry = { mediaType: 'application/x', digest: blob.digest, size: blob.size };
        await commit(linked, { blobs: [blob], updateIndex: () => [entry] });
      });
      assert.equal(statSync(base).nlink, 2);
      assert.equal(statSync(blobPath(linked, digestOf('base'))).ino, statSync(base).ino);
    }
  });

  it('is refused when an entry leads to a blob that is missing or has another size, and nothing is changed', async () => {
    const strict = storePaths(join(root, 'strict'));
    const { blobs: old } = await saveImage(strict, 'old');
    const before = filesBelow(strict.root);
    await withStaging(strict, async (staging) => {
      for (let missing = 0; missing < 3; missing += 1) {
        const { blobs, manifest } = await stageImage(staging);
        await assert.rejects(
          commit(strict, {
            blobs: blobs.filter((_, index) => index !== missing),
            updateIndex: (all) => [...all, manifest],
          }),
          { code: 'MISSING_BLOB' },
        );
      }
    });
    assert.deepEqual(filesBelow(strict.root), before);
    const wrong = { mediaType: 'application/x', digest: old[0]!.digest, size: 1 };
    await assert.rejects(commit(strict, { blobs: [], updateIndex: (all) => [...all, wrong] }), {
      code: 'DAMAGED_BLOB',
    });
    assert.deepEqual(filesBelow(strict.root), before);
  });

  it('whose change fails leaves no blob behind', async () => {
    const failing = storePaths(join(root, 'failing'));
    await saveImage(failing, 'old');
    const before = filesBelow(failing.root);
    await withStaging(failing, async (staging) => {
      const { blobs } = await stageImage(staging);
      const updateIndex = () => {
        throw new Error('mine');
      };
      await assert.rejects(commit(failing, { blobs, updateIndex }), /mine/);
    });
    assert.deepEqual(filesBelow(failing.root), before);
    assert.deepEqual(namesInIndex(failing.root), ['old']);
  });

  it('that drops an entry leaves open blobs readable', async () => {
    const dropped = storePaths(join(root, 'dropped'));
    const { blobs } = await saveImage(dropped, 'old');
    const blob = await openBlob(dropped, blobs[0]!);
    await commit(dropped, { blobs: [], updateIndex: () => [] });
    await blob.verify();
    await blob.close();
    assert.deepEqual(namesInIndex(dropped.root), []);
  });
});
