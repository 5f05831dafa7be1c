import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { findSealDamage, parseSealed, sealJson, writeSealedDurably } from '../../lib/store/sealed-json.js';

const VALUE = { format: 1, name: 'größer', list: [1, 2], inner: { empty: {}, none: null }, text: 'a\nb' };

describe('a sealed file', () => {
  let dir: string;
  before(() => {
    dir = mkdtempSync(join(tmpdir(), 'rbm-resume-sealed-'));
  });
  after(() => rmSync(dir, { recursive: true }));

  it('is JSON for everybody, and gives the value back', async () => {
    for (const value of [VALUE, {}, { list: [] }]) {
      const file = join(dir, 'file.json');
      await writeSealedDurably(file, value);
      assert.deepEqual(parseSealed(readFileSync(file)), value);
      const { seal, sha256, ...plain } = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
      assert.deepEqual([plain, seal, typeof sha256], [value, 'sha256', 'string']);
    }
  });

  it('is not read after any bit was flipped, a byte added or the end cut off', () => {
    const bytes = Buffer.from(sealJson(VALUE));
    const refused = (damaged: Buffer): boolean => {
      try {
        parseSealed(damaged);
        return false;
      } catch {
        return true;
      }
    };
    for (let at = 0; at < bytes.length; at += 1) {
      for (let bit = 0; bit < 8; bit += 1) {
        const damaged = Buffer.from(bytes);
        damaged[at]! ^= 1 << bit;
        assert.notEqual(findSealDamage(damaged), null, `bit ${bit} of byte ${at}`);
      }
      assert.ok(refused(bytes.subarray(0, at)), `cut to ${at} bytes`);
      assert.ok(refused(Buffer.concat([bytes.subarray(0, at), Buffer.from(' '), bytes.subarray(at)])));
    }
    assert.ok(refused(Buffer.concat([bytes, Buffer.from('\n')])));
  });

  it('of a version that did not seal is read as it is', () => {
    for (const text of [JSON.stringify(VALUE), `${JSON.stringify(VALUE, null, 2)}\n`])
      assert.deepEqual(parseSealed(Buffer.from(text)), VALUE);
    writeFileSync(join(dir, 'list.json'), '[]');
    assert.deepEqual(parseSealed(readFileSync(join(dir, 'list.json'))), []);
  });
});
