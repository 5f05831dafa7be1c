import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { importSnapshots } from '../../lib/snapshot/import.js';
import { SpoiledExport } from './refused-import.js';
import { partsOf } from './small-build.js';

describe('an import', () => {
  const given = new SpoiledExport();

  describe('of half an export', () => {
    it('says that the manifest is missing, or cut off', async () => {
      truncateSync(join(given.dir, 'manifest.json'), 500);
      assert.match((await given.refuse(/^INCOMPLETE_EXPORT$/)).message, /manifest\.json/);
      rmSync(join(given.dir, 'manifest.json'));
      assert.match((await given.refuse(/^INCOMPLETE_EXPORT$/)).message, /manifest\.json is missing/);
      assert.equal((await given.refuse(/^INCOMPLETE_EXPORT$/)).exitStatus, 77);
    });

    it('says that there is none at all', async () => {
      rmSync(given.dir, { recursive: true });
      await given.refuse(/^NO_EXPORT$/);
      mkdirSync(given.dir);
      assert.equal((await given.refuse(/^NO_EXPORT$/)).exitStatus, 66);
    });

    it('names all parts that are missing or of another size', async () => {
      const [gone, short, long] = [given.part(0), given.part(1), given.part(2)];
      rmSync(join(given.dir, 'parts', gone));
      truncateSync(join(given.dir, 'parts', short), 69_999);
      truncateSync(join(given.dir, 'parts', long), 70_001);
      const { message, fields } = await given.refuse(/^INCOMPLETE_EXPORT$/);
      assert.ok(message.includes(`${gone} is missing`), message);
      assert.ok(message.includes(`${short} has 69999 bytes instead of 70000`), message);
      assert.equal(fields.files, `${gone} ${short} ${long}`);
      rmSync(join(given.dir, 'parts'), { recursive: true });
      assert.equal(
        String((await given.refuse(/^INCOMPLETE_EXPORT$/)).fields.files).split(' ').length,
        partsOf(given.exported).length,
      );
    });

    it('names the part in which a byte is another one', async () => {
      for (const name of [given.part(0), given.part(3), ...partsOf(given.dir).slice(-2)]) {
        const file = join(given.dir, 'parts', name);
        const data = readFileSync(file);
        data[data.length >> 1]! ^= 1;
        writeFileSync(file, data);
        assert.ok((await given.refuse(/^DAMAGED_EXPORT$/)).message.includes(name));
        data[data.length >> 1]! ^= 1;
        writeFileSync(file, data);
      }
      await importSnapshots(given.store, given.dir);
    });
  });
});
