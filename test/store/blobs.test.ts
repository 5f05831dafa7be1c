import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { digestOf, parseDigest } from '../../lib/digest.js';
import type { RbmResumeError } from '../../lib/errors.js';
import { blobPath, hasBlob, openBlob, readBlob, readJsonBlob, type BlobName } from '../../lib/store/blobs.js';
import { imageConfigSchema, imageManifestSchema, parseJson } from '../../lib/store/oci.js';
import { storePaths, type StorePaths } from '../../lib/store/paths.js';
import { saveImage } from './oci-images.js';

let root: string;
let paths: StorePaths;
before(() => {
  root = mkdtempSync(join(tmpdir(), 'rbm-resume-blobs-'));
  paths = storePaths(join(root, 'store'));
  mkdirSync(paths.blobs, { recursive: true });
});
after(() => rmSync(root, { recursive: true }));

function putByHand(data: Buffer): BlobName {
  const digest = digestOf(data);
  writeFileSync(blobPath(paths, digest), data);
  return { digest, size: data.length };
}

const use = async (name: BlobName, store = paths): Promise<void> => {
  const blob = await openBlob(store, name);
  try {
    await blob.verify();
  } finally {
    await blob.close();
  }
};

describe('a digest', () => {
  it('is sha256 with 64 lower-case hex digits and nothing else', () => {
    const hex = 'ab'.repeat(32);
    assert.equal(parseDigest(`sha256:${hex}`), `sha256:${hex}`);
    for (const text of [
      hex,
      `sha256:${hex.toUpperCase()}`,
      `sha256:${hex}0`,
      `sha256:${hex}\n`,
      `sha512:${hex}${hex}`,
      `sha256:../${hex.slice(3)}`,
      '',
    ])
      assert.throws(() => parseDigest(text), { code: 'BAD_DIGEST' }, text);
  });
});

describe('an open blob', () => {
  it('is verified without moving the offset, so the descriptor can be handed on', async () => {
    // Longer than two chunks, and not a multiple of one.
    const data = Buffer.alloc(5 * 1024 * 1024 + 17, 'chunk');
    const name = putByHand(data);
    const blob = await openBlob(paths, name);
    await blob.verify();
    const sum = execFileSync('sha256sum', { stdio: [blob.handle.fd, 'pipe', 'inherit'] }).toString();
    await blob.close();
    assert.equal(`sha256:${sum.slice(0, 64)}`, name.digest);
  });

  it('stays the verified file when another one takes its path', async () => {
    const name = putByHand(Buffer.from('the right one'));
    const blob = await openBlob(paths, name);
    await blob.verify();
    writeFileSync(join(root, 'wrong'), 'the wrong one');
    renameSync(join(root, 'wrong'), blob.path);
    assert.equal(
      execFileSync('cat', { stdio: [blob.handle.fd, 'pipe', 'inherit'] }).toString(),
      'the right one',
    );
    await blob.close();
    await assert.rejects(use(name), { code: 'DAMAGED_BLOB' });
  });

  it('may be empty', async () => {
    const name = putByHand(Buffer.alloc(0));
    await use(name);
    assert.equal((await readBlob(paths, name)).length, 0);
  });
});

describe('a small blob', () => {
  it('is not read into memory beyond the limit', async () => {
    const name = putByHand(Buffer.alloc(1001));
    assert.equal((await readBlob(paths, name, { maxBytes: 1001 })).length, 1001);
    await assert.rejects(readBlob(paths, name, { maxBytes: 1000 }), { code: 'DAMAGED_BLOB' });
    await assert.rejects(readBlob(paths, { ...name, size: 2 ** 40 }), { code: 'DAMAGED_BLOB' });
  });

  it('of another shape is refused with the place of the first fault', async () => {
    const name = putByHand(
      Buffer.from('{"schemaVersion":2,"config":{"mediaType":"x","digest":"md5:0","size":1}}'),
    );
    await assert.rejects(readJsonBlob(paths, name, imageManifestSchema), (error: RbmResumeError) => {
      assert.equal(error.code, 'DAMAGED_BLOB');
      return /config\.digest: not a sha256 digest/.test(error.message);
    });
    const noJson = putByHand(Buffer.from([0x7b, 0xff, 0x7d]));
    await assert.rejects(readJsonBlob(paths, noJson, imageManifestSchema), { code: 'DAMAGED_BLOB' });
  });

  it('keeps the fields that we do not know', () => {
    const text = `{"architecture":"amd64","os":"linux","os.version":"1","config":{"Labels":null,"Env":["A=b"]},
      "rootfs":{"type":"layers","diff_ids":[]},"history":[{"created_by":"x","new":1}]}`;
    const parsed = parseJson(imageConfigSchema, text);
    assert.deepEqual('value' in parsed && parsed.value, JSON.parse(text));
  });
});

describe('each blob of an image, damaged in turn', () => {
  const faults: Record<string, { readonly code: string; readonly damage: (file: string) => void }> = {
    missing: { code: 'MISSING_BLOB', damage: (file) => rmSync(file) },
    'one byte shorter': {
      code: 'DAMAGED_BLOB',
      damage: (file) => truncateSync(file, readFileSync(file).length - 1),
    },
    'one byte longer': {
      code: 'DAMAGED_BLOB',
      damage: (file) => writeFileSync(file, Buffer.concat([readFileSync(file), Buffer.from('x')])),
    },
    empty: { code: 'DAMAGED_BLOB', damage: (file) => truncateSync(file) },
    'with one bit flipped': {
      code: 'DAMAGED_BLOB',
      damage: (file) => {
        const data = readFileSync(file);
        const at = Math.floor(data.length / 2);
        data[at] = Number(data[at]) ^ 1;
        writeFileSync(file, data);
      },
    },
    'a symbolic link': {
      code: 'DAMAGED_BLOB',
      damage: (file) => {
        renameSync(file, `${file}.elsewhere`);
        symlinkSync(`${file}.elsewhere`, file);
      },
    },
    'a directory': {
      code: 'DAMAGED_BLOB',
      damage: (file) => {
        rmSync(file);
        mkdirSync(file);
      },
    },
    'a FIFO': {
      code: 'DAMAGED_BLOB',
      damage: (file) => {
        rmSync(file);
        execFileSync('mkfifo', [file]);
      },
    },
  };
  for (const [what, { code, damage }] of Object.entries(faults)) {
    it(`gives a named error when it is ${what}`, async () => {
      const store = storePaths(join(root, what));
      const { blobs } = await saveImage(store, what);
      for (const blob of blobs) {
        const file = blobPath(store, blob.digest);
        chmodSync(file, 0o644);
        assert.equal(await hasBlob(store, blob), true);
        damage(file);
        for (const read of [() => use(blob, store), () => readBlob(store, blob)]) {
          await assert.rejects(read(), (error: RbmResumeError) => {
            assert.deepEqual(
              [error.code, error.exitStatus, error.fields.digest, error.fields.path],
              [code, 77, blob.digest, file],
            );
            return error.message.includes(file);
          });
        }
        assert.equal(await hasBlob(store, blob), what.includes('flipped'));
      }
    });
  }
});
