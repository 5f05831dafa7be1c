import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  linkSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { describe, it } from 'node:test';
import { digestOf, hexOf, sha256Hex } from '../../lib/digest.js';
import { importSnapshots } from '../../lib/snapshot/import.js';
import { SpoiledExport } from './refused-import.js';
import { editExportManifest, partsOf, readExportManifest } from './small-build.js';

describe('an import', () => {
  const given = new SpoiledExport();

  describe('of a hostile export', () => {
    /** Puts another blob in place of one, and its digest in place of the other's wherever that is named. */
    function replaceBlob(from: string, to: string | Buffer): void {
      const [old, data] = [hexOf(from as typeof given.saved.digest), Buffer.from(to)];
      const own = digestOf(data);
      for (const name of partsOf(given.dir).filter((one) => one.startsWith(old)))
        rmSync(join(given.dir, 'parts', name));
      writeFileSync(join(given.dir, 'parts', `${hexOf(own)}.000`), data);
      editExportManifest(given.dir, ({ blobs, snapshots }) => {
        const blob = blobs.find(({ digest }) => digest === from)!;
        blob.digest = own;
        blob.size = data.length;
        blob.parts = [{ file: `${hexOf(own)}.000`, size: data.length, sha256: hexOf(own) }];
        for (const snapshot of snapshots)
          if (snapshot.digest === from) [snapshot.digest, snapshot.size] = [own, data.length];
      });
    }
    /** Changes the manifest of the snapshot, with all digests right. */
    function editImage(edit: (image: typeof given.saved.image.manifest) => unknown): void {
      const image = structuredClone(given.saved.image.manifest);
      edit(image);
      replaceBlob(given.saved.digest, JSON.stringify(image));
    }
    const editConfig = (edit: (config: typeof given.saved.image.config) => unknown): void => {
      const config = structuredClone(given.saved.image.config);
      edit(config);
      const data = JSON.stringify(config);
      replaceBlob(given.saved.image.manifest.config.digest, data);
      editImage((image) => Object.assign(image.config, { digest: digestOf(data), size: data.length }));
    };
    const firstPart = () => join(given.dir, 'parts', given.part(0));
    const outside = () => join(given.dir, '..', 'outside');

    const cases: readonly (readonly [string, RegExp, () => void])[] = [
      [
        'a part that is a symbolic link',
        /INCOMPLETE/,
        () => {
          const file = firstPart();
          renameSync(file, outside());
          symlinkSync(outside(), file);
        },
      ],
      [
        'a part that is a fifo',
        /INCOMPLETE/,
        () => {
          const file = firstPart();
          rmSync(file);
          execFileSync('mkfifo', [file]);
        },
      ],
      [
        'a folder of parts that is a symbolic link',
        /INCOMPLETE/,
        () => {
          renameSync(join(given.dir, 'parts'), outside());
          symlinkSync(outside(), join(given.dir, 'parts'));
        },
      ],
      [
        'a manifest that is a symbolic link',
        /INCOMPLETE/,
        () => {
          renameSync(join(given.dir, 'manifest.json'), outside());
          symlinkSync(outside(), join(given.dir, 'manifest.json'));
        },
      ],
      [
        'a manifest that is a fifo',
        /INCOMPLETE|DAMAGED/,
        () => {
          rmSync(join(given.dir, 'manifest.json'));
          execFileSync('mkfifo', [join(given.dir, 'manifest.json')]);
        },
      ],
      [
        'a manifest that is too long',
        /DAMAGED/,
        () => truncateSync(join(given.dir, 'manifest.json'), 4 * 1024 * 1024 + 1),
      ],
      [
        'a manifest of another format',
        /DAMAGED/,
        () => editExportManifest(given.dir, (it) => void (it.format = 2)),
      ],
      [
        'a part that lies elsewhere',
        /DAMAGED/,
        () => {
          linkSync(firstPart(), outside());
          editExportManifest(
            given.dir,
            (it) => void (it.blobs[0]!.parts[0]!.file = `../../${basename(outside())}`),
          );
        },
      ],
      [
        'a part under the name of another',
        /DAMAGED/,
        () =>
          editExportManifest(
            given.dir,
            ({ blobs }) => void (blobs[0]!.parts[0]!.file = blobs[1]!.parts[0]!.file),
          ),
      ],
      [
        'parts longer than their blob',
        /DAMAGED/,
        () => editExportManifest(given.dir, ({ blobs }) => void (blobs[0]!.size -= 1)),
      ],
      [
        'a negative size',
        /DAMAGED/,
        () => editExportManifest(given.dir, ({ blobs }) => void (blobs[0]!.parts[0]!.size = -1)),
      ],
      [
        'a digest that is none',
        /DAMAGED/,
        () => editExportManifest(given.dir, ({ blobs }) => void (blobs[0]!.digest = 'sha256:../x')),
      ],
      [
        'a blob twice',
        /DAMAGED/,
        () => editExportManifest(given.dir, ({ blobs }) => void blobs.push(blobs[0]!)),
      ],
      [
        'parts that are right, and another blob together',
        /DAMAGED/,
        () => {
          const blob = readExportManifest(given.dir).blobs.find(({ digest }) => digest === given.baseDigest)!;
          const other = Buffer.alloc(70_000, 1);
          writeFileSync(firstPart(), other);
          editExportManifest(given.dir, ({ blobs }) => {
            blobs.find(({ digest }) => digest === blob.digest)!.parts[0]!.sha256 = sha256Hex(other);
          });
        },
      ],
      [
        'a layer that it does not have',
        /DAMAGED/,
        () =>
          editExportManifest(
            given.dir,
            (it) => void (it.blobs = it.blobs.filter(({ digest }) => digest !== given.baseDigest)),
          ),
      ],
      [
        'a layer that is absent and no base',
        /DAMAGED/,
        () => {
          const { digest } = given.saved.layers[1]!.descriptor;
          editExportManifest(given.dir, (it) => {
            it.blobs = it.blobs.filter((blob) => blob.digest !== digest);
            it.absent.push(digest);
          });
        },
      ],
      [
        'an image that is no snapshot',
        /DAMAGED/,
        () =>
          editExportManifest(
            given.dir,
            ({ snapshots }) => void delete snapshots[0]!.annotations['org.rbm-resume.hash'],
          ),
      ],
      [
        'a snapshot under another hash',
        /DAMAGED/,
        () =>
          editExportManifest(
            given.dir,
            ({ snapshots }) => void (snapshots[0]!.annotations['org.rbm-resume.hash'] = sha256Hex('other')),
          ),
      ],
      [
        'a snapshot under a higher number',
        /DAMAGED/,
        () =>
          editExportManifest(
            given.dir,
            ({ snapshots }) => void (snapshots[0]!.annotations['org.rbm-resume.generation'] = '9'),
          ),
      ],
      ['a manifest that is no JSON', /DAMAGED/, () => replaceBlob(given.saved.digest, 'no JSON')],
      [
        'a manifest of too many bytes',
        /DAMAGED/,
        () => replaceBlob(given.saved.digest, Buffer.alloc(4 * 1024 * 1024 + 1, ' ')),
      ],
      ['a layer less than the config has', /DAMAGED/, () => editImage(({ layers }) => layers.pop())],
      [
        'a layer of an unknown type',
        /DAMAGED/,
        () => editImage(({ layers }) => (layers[1]!.mediaType = 'text/plain')),
      ],
      ['a layer of another size', /DAMAGED/, () => editImage(({ layers }) => (layers[1]!.size += 1))],
      ['a config without a record', /DAMAGED/, () => editConfig((config) => (config.config = {}))],
      [
        'a reference to what nobody has',
        /MISSING_BLOB/,
        () => editImage(({ annotations }) => (annotations!['org.rbm-resume.more'] = digestOf('nowhere'))),
      ],
    ];
    for (const [what, code, spoil] of cases) {
      it(`refuses ${what}`, { timeout: 120_000 }, async () => {
        spoil();
        await given.refuse(code);
      });
    }

    it('takes the same, rewritten without a lie', async () => {
      editConfig((config) => (config.created = '2026-01-01T00:00:00Z'));
      assert.equal((await importSnapshots(given.store, given.dir)).imported.length, 1);
    });

    it('keeps out of the index what is no field of an entry', async () => {
      editExportManifest(
        given.dir,
        ({ snapshots }) => void Object.assign(snapshots[0]!, { data: 'aGk=', urls: ['x'] }),
      );
      await importSnapshots(given.store, given.dir);
      assert.ok(!/urls|data/.test(readFileSync(join(given.store, 'index.json'), 'utf8')));
    });
  });
});
