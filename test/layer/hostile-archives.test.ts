import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { RbmResumeError } from '../../lib/errors.js';
import { detectCompression } from '../../lib/layer/compression.js';
import { applyLayer, nameHardLinks, type LayeredTree } from '../../lib/layer/merge.js';
import { readLayer } from '../../lib/layer/read.js';
import { TarReader } from '../../lib/layer/tar-reader.js';
import { toLayerMember, type LayerMember } from '../../lib/layer/whiteout.js';
import type { HostileCase } from './hostile-case.js';
import { HOSTILE_FAMILIES } from './hostile-families.js';
import { hostileFrames } from './hostile-frames.js';
import { compareReaders } from './other-readers.js';

/** Reads an archive as the only layer of a tree, as it is read before anything is extracted. */
async function readTree(bytes: Buffer): Promise<void> {
  const members: LayerMember[] = [];
  const reader = new TarReader({ onMember: (member) => void members.push(toLayerMember(member)) });
  reader.write(bytes);
  reader.end();
  const tree: LayeredTree = new Map();
  await applyLayer(tree, [members], 0);
  nameHardLinks(tree);
}

/** What is not as it has to be, or `null`. */
async function judge({ name, bytes, refused }: HostileCase): Promise<string | null> {
  try {
    await readTree(bytes);
    return refused === null ? null : `${name}: it was read`;
  } catch (error) {
    if (!(error instanceof RbmResumeError)) return `${name}: ${String(error)}`;
    if (refused === null) return `${name}: refused, ${error.message}`;
    if (!/^(?:BAD_LAYER|LAYER_TOO_BIG)$/.test(error.code)) return `${name}: ${error.code}`;
    if (!/at byte \d+ of its archive|the layers of the snapshot don't fit: /.test(error.message))
      return `${name}: no place in ${error.message}`;
    return refused.test(error.message) ? null : `${name}: another reason, ${error.message}`;
  }
}

/** Reads a compressed archive from its file. */
async function judgeFile(dir: string, one: HostileCase): Promise<string | null> {
  const file = join(dir, 'layer');
  writeFileSync(file, one.bytes);
  const handle = await open(file, 'r');
  try {
    const members: LayerMember[] = [];
    const compression = await detectCompression(handle, 'the layer');
    await readLayer(handle, compression, { onMember: (member) => void members.push(toLayerMember(member)) });
    if (one.refused !== null) return `${one.name}: it was read`;
    return members.length === 1 ? null : `${one.name}: ${members.length} members`;
  } catch (error) {
    const isOurs = error instanceof RbmResumeError && /^(?:BAD_LAYER|LAYER_TOO_BIG)$/.test(error.code);
    if (!isOurs || one.refused === null) return `${one.name}: ${String(error)}`;
    return one.refused.test(error.message) ? null : `${one.name}: another reason, ${error.message}`;
  } finally {
    await handle.close();
  }
}

describe('hostile archives', () => {
  it('are refused with a reason, or harmless: compressed ones', async (t) => {
    const dir = mkdtempSync(join(tmpdir(), 'rbm-resume-frames-'));
    try {
      const cases = [...hostileFrames()];
      const wrong: string[] = [];
      for (const one of cases) wrong.push((await judgeFile(dir, one)) ?? '');
      assert.deepEqual(
        wrong.filter((one) => one !== ''),
        [],
      );
      t.diagnostic(`${cases.length} in all`);
    } finally {
      rmSync(dir, { recursive: true });
    }
  });

  for (const [family, make] of Object.entries(HOSTILE_FAMILIES)) {
    it(`are refused with a reason and a place, or harmless and read by all alike: ${family}`, async (t) => {
      const cases = [...make()];
      assert.equal(
        new Set(cases.map(({ name }) => name)).size,
        cases.length,
        'a name stands for two archives',
      );
      const wrong = (await Promise.all(cases.map(judge))).filter((one) => one !== null);
      assert.deepEqual(wrong, []);
      const read = cases.filter(({ refused }) => refused === null);
      const differences = compareReaders(read.map(({ bytes }) => bytes));
      const told = differences.flatMap((one, at) => (one === null ? [] : [`${read[at]?.name}: ${one}`]));
      assert.deepEqual(told, []);
      t.diagnostic(`${cases.length - read.length} refused, ${read.length} harmless`);
    });
  }
});
