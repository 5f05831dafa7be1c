import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { RbmResumeError } from '../../lib/errors.js';
import type { Compression } from '../../lib/layer/compression.js';
import { readLayerListing } from '../../lib/layer/listing.js';
import { readLayer } from '../../lib/layer/read.js';
import { DEFAULT_TAR_LIMITS, mostUnpacked, type TarLimits } from '../../lib/layer/tar-limits.js';
import { archive, header, member } from './tar-bytes.js';

const MIB = 1 << 20;
const COMPRESS: Readonly<Record<Exclude<Compression, 'none'>, string>> = {
  gzip: 'gzip -c9',
  xz: 'xz -c',
  zstd: 'zstd -c -19 -q',
};
const isTooBig = (what: RegExp) => (error: unknown) =>
  error instanceof RbmResumeError && error.code === 'LAYER_TOO_BIG' && what.test(error.message);

describe('a layer that is small and unpacks to very much', () => {
  let dir: string;
  let file: string;
  before(() => {
    dir = mkdtempSync(join(tmpdir(), 'rbm-resume-bomb-'));
    file = join(dir, 'layer');
  });
  after(() => rmSync(dir, { recursive: true }));

  async function read(compression: Compression, limits: TarLimits): Promise<number> {
    const handle = await open(file, 'r');
    try {
      return (await readLayer(handle, compression, { limits, onMember: () => {} })).diffSize;
    } finally {
      await handle.close();
    }
  }

  for (const [compression, command] of Object.entries(COMPRESS)) {
    it(`is read no further than its file is worth: ${compression}`, async () => {
      const bytes = 64 * MIB;
      const zeros = header({ name: 'zeros' }, bytes);
      writeFileSync(join(dir, 'header'), zeros);
      execFileSync('sh', ['-c', `{ cat header; head -c ${bytes + 1024} /dev/zero; } | ${command} > layer`], {
        cwd: dir,
      });
      const { size } = statSync(file);
      const limits = { ...DEFAULT_TAR_LIMITS, unpackedBytes: 8 * MIB, ratio: 250 };
      assert.ok(mostUnpacked(size, limits) < bytes, `no bomb: ${size} bytes`);
      await assert.rejects(
        read(compression as Compression, limits),
        isTooBig(new RegExp(`unpacks to more than ${mostUnpacked(size, limits)} bytes`)),
      );
      assert.equal(await read(compression as Compression, DEFAULT_TAR_LIMITS), 512 + bytes + 1024);
    });
  }

  it('is not read where it has many long names', async () => {
    const names = Array.from({ length: 40 }, (_, number) => member({ name: `${'n'.repeat(90)}${number}` }));
    writeFileSync(file, archive(...names));
    assert.ok((await read('none', { ...DEFAULT_TAR_LIMITS, listingBytes: 8000 })) > 0);
    await assert.rejects(
      read('none', { ...DEFAULT_TAR_LIMITS, listingBytes: 4000 }),
      isTooBig(/names and attributes are too long together/),
    );
  });
});

describe('a listing that is small and unpacks to very much', () => {
  /** So many of a record, as zstd packs it. */
  function pack(record: string, count: number): string {
    const dir = mkdtempSync(join(tmpdir(), 'rbm-resume-bomb-'));
    after(() => rmSync(dir, { recursive: true }));
    const script = 'yes "$1" | head -n "$2" | tr -d "\\n" | tr "|" "\\0" | zstd -cq > listing';
    execFileSync('sh', ['-c', script, 'sh', record, String(count)], { cwd: dir });
    return join(dir, 'listing');
  }
  const limits = { entries: 20_000, listingBytes: 10 * MIB };
  async function count(file: string): Promise<number> {
    let records = 0;
    for await (const batch of readLayerListing(file, limits)) records += batch.length;
    return records;
  }

  it('is read as long as it may be one', async () => {
    assert.equal(await count(pack('f 644 0 0 0 0.000000000 -\ta||', 1000)), 1000);
  });

  it('is not read where it has too many records', async () => {
    const file = pack('f 644 0 0 0 0.000000000 -\ta||', limits.entries + 1);
    assert.ok(statSync(file).size < MIB / 10);
    await assert.rejects(count(file), isTooBig(/too many records/));
  });

  it('is not read where its records are too long together', async () => {
    const name = 'n'.repeat(15_000);
    const file = pack(`f 644 0 0 0 0.000000000 -\t${name}||`, Math.ceil(limits.listingBytes / 15_000));
    assert.ok(statSync(file).size < MIB / 10);
    await assert.rejects(count(file), isTooBig(/its listing is too long/));
  });
});
