import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { digestOf } from '../../lib/digest.js';
import { readIndexRemains } from '../../lib/store/damaged-index.js';
import { OCI_LAYOUT, prepareLayout, readIndex, updateIndex } from '../../lib/store/image-index.js';
import { withStoreLock } from '../../lib/store/lock.js';
import { MEDIA_TYPE, REF_NAME } from '../../lib/store/oci.js';
import { storePaths, type StorePaths } from '../../lib/store/paths.js';
import { checkReferences, namesInIndex, saveImage, skopeo } from './oci-images.js';

let root: string;
before(() => {
  root = mkdtempSync(join(tmpdir(), 'rbm-resume-index-'));
});
after(() => rmSync(root, { recursive: true }));

const EMPTY_INDEX = JSON.stringify({ schemaVersion: 2, manifests: [] });

const storeWith = (name: string, files: Record<string, string> = {}): StorePaths => {
  const paths = storePaths(join(root, name));
  mkdirSync(paths.blobs, { recursive: true });
  for (const [file, text] of Object.entries(files)) writeFileSync(join(paths.root, file), text);
  return paths;
};

describe('the index', () => {
  it('of a store that is not there is empty, and reading it makes nothing', async () => {
    const paths = storePaths(join(root, 'absent'));
    assert.deepEqual((await readIndex(paths)).manifests, []);
    assert.equal(existsSync(paths.root), false);
  });

  it('is whole for who reads without a lock while a store gets its first blobs', async () => {
    for (const read of [readIndex, readIndexRemains]) {
      const paths = storePaths(join(root, `appears-${read.name}`));
      let isThere = false;
      const appearing: StorePaths = {
        ...paths,
        // What the first writer writes comes to be in the moment in which the blobs are looked for.
        get blobs() {
          if (!isThere) {
            storeWith(`appears-${read.name}`, { 'oci-layout': OCI_LAYOUT, 'index.json': EMPTY_INDEX });
            writeFileSync(join(paths.blobs, digestOf('blob').slice('sha256:'.length)), 'blob');
          }
          isThere = true;
          return paths.blobs;
        },
      };
      const found = await read(appearing);
      assert.ok(isThere);
      assert.equal('problem' in found ? found.problem : null, null);
    }
  });

  it('is found by skopeo by the name of an image', async () => {
    const paths = storePaths(join(root, 'new'));
    const { entry, blobs } = await saveImage(paths, 'first');
    await saveImage(paths, 'second');
    const raw = skopeo('inspect', '--raw', `oci:${paths.root}:first`);
    assert.equal(digestOf(raw), entry.digest);
    const shown = JSON.parse(skopeo('inspect', `oci:${paths.root}:first`)) as { Layers: string[] };
    assert.deepEqual(shown.Layers, [blobs[0]?.digest]);
    assert.deepEqual(readdirSync(paths.root).sort(), ['.rbm-resume', 'blobs', 'index.json', 'oci-layout']);
  });

  it('keeps what skopeo has put there, and skopeo keeps ours', async () => {
    const [ours, theirs] = [storePaths(join(root, 'ours')), storePaths(join(root, 'theirs'))];
    await saveImage(theirs, 'foreign');
    await saveImage(ours, 'one');
    skopeo('copy', '-q', `oci:${theirs.root}:foreign`, `oci:${ours.root}:foreign`);
    await saveImage(ours, 'two');
    assert.deepEqual(namesInIndex(ours.root).sort(), ['foreign', 'one', 'two']);
    assert.deepEqual(checkReferences(ours.root), []);
    skopeo('inspect', `oci:${ours.root}:foreign`);
  });

  it('keeps fields and entries that are not known', async () => {
    const foreign = {
      mediaType: 'application/x',
      size: 3,
      'x-own': [1],
      digest: digestOf('abc'),
      platform: { os: 'a', architecture: 'b', 'os.version': '3' },
    };
    const index = { schemaVersion: 2, 'x-top': { a: 1 }, manifests: [foreign], annotations: { k: 'v' } };
    const paths = storeWith('unknown', { 'index.json': JSON.stringify(index) });
    const added = {
      mediaType: MEDIA_TYPE.manifest,
      digest: digestOf('m'),
      size: 1,
      annotations: { [REF_NAME]: 'm' },
    };
    await updateIndex(paths, (manifests) => [...manifests, added]);
    assert.deepEqual(JSON.parse(readFileSync(paths.index, 'utf8')), {
      ...index,
      manifests: [foreign, added],
    });
  });

  it('that is damaged is named and not touched', async () => {
    const digest = digestOf('');
    for (const [text, fault] of [
      ['', /Unexpected end/],
      ['{"schemaVersion":2,"manifests":[', /JSON/],
      ['{"schemaVersion":1,"manifests":[]}', /schemaVersion/],
      ['{"schemaVersion":2}', /manifests/],
      [
        `{"schemaVersion":2,"manifests":[{"mediaType":"a","digest":"${digest}","size":-1}]}`,
        /manifests\.0\.size/,
      ],
      [
        '{"schemaVersion":2,"manifests":[{"mediaType":"a","digest":"sha256:../x","size":1}]}',
        /manifests\.0\.digest/,
      ],
    ] as const) {
      const paths = storeWith('damaged', { 'index.json': text });
      const isNamed = (error: Error & { code?: string; exitStatus?: number }) => {
        assert.deepEqual([error.code, error.exitStatus], ['BAD_INDEX', 77]);
        return error.message.includes(paths.index) && fault.test(error.message);
      };
      await assert.rejects(readIndex(paths), isNamed);
      await assert.rejects(
        updateIndex(paths, () => []),
        isNamed,
      );
      await assert.rejects(saveImage(paths, 'new'), isNamed);
      assert.equal(readFileSync(paths.index, 'utf8'), text);
      assert.deepEqual(readdirSync(paths.blobs), []);
    }
  });

  it('that is lost is not taken for an empty one', async () => {
    const paths = storePaths(join(root, 'lost'));
    await saveImage(paths, 'kept');
    rmSync(paths.index);
    await assert.rejects(readIndex(paths), { code: 'BAD_INDEX' });
    await assert.rejects(
      withStoreLock(paths, () => prepareLayout(paths)),
      { code: 'BAD_INDEX' },
    );
  });

  it('is not read in a layout of another version', async () => {
    const paths = storeWith('version', {
      'oci-layout': '{"imageLayoutVersion":"2.0.0"}',
      'index.json': '{"schemaVersion":2,"manifests":[]}',
    });
    await assert.rejects(readIndex(paths), { code: 'BAD_INDEX' });
  });
});
