import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, openSync, readFileSync, rmSync, closeSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { formatListingRecord, parseListingRecord } from '../../lib/layer/listing-record.js';
import { readLayerListing, writeLayerListing, type LayerMember } from '../../lib/layer/listing.js';
import { toBytes } from '../../lib/rootfs/entry.js';

let root: string;
before(() => {
  root = mkdtempSync(join(tmpdir(), 'rbm-resume-listing-'));
});
after(() => rmSync(root, { recursive: true }));

const one = (rest: Partial<LayerMember>): LayerMember => ({
  path: 'a',
  type: 'f',
  meta: 'f 644 0 0 5 1.000000000',
  target: '',
  xattrs: '',
  ...rest,
});
const MEMBERS: readonly LayerMember[] = [
  one({ path: '', type: 'd', meta: 'd 755 0 0 0 -1.250000000' }),
  one({ path: 'tab\there \n\xff', xattrs: 'user.a,b%=AA== user.c=' }),
  one({ type: 'l', meta: 'l 777 0 0 0 1.000000000', target: 'x\ny\t' }),
  one({ type: 'c', meta: 'c 666 0 5 0 1.000000000', target: '5,1' }),
  one({ type: 'h', meta: 'f 644 1000 4294967295 0 1.000000000', target: 'b/c' }),
  one({ type: 'w', meta: 'f 0 0 0 0 0.000000000' }),
  one({ type: 'o', path: '', meta: 'f 0 0 0 0 0.000000000' }),
];

async function readBack(source: string | number): Promise<LayerMember[]> {
  const found: LayerMember[] = [];
  for await (const members of readLayerListing(source)) found.push(...members);
  return found;
}

describe('the listing of a layer', () => {
  it('reads back as it was written, from a file and from a descriptor', async () => {
    const file = join(root, 'same');
    const many = Array.from({ length: 20_000 }, (_, at) => MEMBERS[at % MEMBERS.length] as LayerMember);
    assert.equal(await writeLayerListing(file, [many.slice(0, 7), [], many.slice(7)]), many.length);
    assert.deepEqual(await readBack(file), many);
    const fd = openSync(file, 'r');
    assert.deepEqual(await readBack(fd), many);
    closeSync(fd);
    await writeLayerListing(join(root, 'none'), []);
    assert.deepEqual(await readBack(join(root, 'none')), []);
  });

  it('is text for a person', async () => {
    const file = join(root, 'text');
    await writeLayerListing(file, [[one({ path: 'etc/hosts', xattrs: 'user.a=AA== user.b=' })]]);
    const text = execFileSync('sh', ['-c', `zstd -dc "$1" | tr '\\0' '\\n'`, 'sh', file]).toString();
    assert.equal(text, 'f 644 0 0 5 1.000000000 user.a=AA==,user.b=\tetc/hosts\n\n');
  });

  it('stops when the reader has enough', async () => {
    const file = join(root, 'enough');
    await writeLayerListing(file, [Array.from({ length: 300_000 }, () => one({}))]);
    for await (const [member] of readLayerListing(file)) {
      assert.equal(member?.path, 'a');
      break;
    }
  });

  it('is refused when it is cut off anywhere, empty, or a byte is another one', async () => {
    const file = join(root, 'damaged');
    await writeLayerListing(file, [MEMBERS]);
    const bytes = readFileSync(file);
    const bad = [...bytes.keys()].filter((at) => at % 7 === 0).map((at) => bytes.subarray(0, at));
    const flipped = Buffer.from(bytes);
    flipped[60] = (flipped[60] as number) ^ 1;
    for (const content of [...bad, flipped]) {
      writeFileSync(file, content);
      await assert.rejects(readBack(file), { code: 'BAD_LAYER' });
    }
    writeFileSync(file, execFileSync('zstd', ['-cq'], { input: 'f 644 0 0 5 1.000000000 -\ta\0' }));
    await assert.rejects(readBack(file), { code: 'BAD_LAYER' });
  });

  it('takes no record that it would not write', () => {
    const good = formatListingRecord(one({}));
    assert.deepEqual(parseListingRecord(toBytes(good).subarray(0, -1)), one({}));
    const edits: readonly (readonly [string, string])[] = [
      ['f 644', 'x 644'],
      ['f 644', 'f 0644'],
      ['f 644', 'f 648'],
      ['f 644', 'd 644'],
      [' 0 0 ', ' 0 '],
      [' 5 ', ' 05 '],
      [' 5 ', ' -5 '],
      [' 5 ', ' 9007199254740993 '],
      ['1.000000000', '1.0'],
      [' -\t', ' \t'],
      [' -\t', ' user.a\t'],
      [' -\t', ' user.b=,user.a=\t'],
      [' -\t', ' user.a%00=\t'],
      ['\ta\0', '\t../a\0'],
      ['\ta\0', '\t/a\0'],
      ['\ta\0', '\ta/\0'],
      ['\ta\0', '\t\0'],
      ['\ta\0', '\ta\0target'],
      ['f 644 0 0 5', 'l 644 0 0 0'],
      ['f 644 0 0 5', 'h 644 0 0 0'],
      ['f 644 0 0 5', 'c 644 0 0 0'],
    ];
    for (const [from, to] of edits) {
      const record = good.replace(from, to);
      assert.notEqual(record, good);
      assert.throws(() => parseListingRecord(toBytes(record).subarray(0, -1)), { code: 'BAD_LAYER' }, record);
    }
  });
});
