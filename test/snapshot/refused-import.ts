import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach } from 'node:test';
import { hexOf, parseProjectHash, sha256Hex, type Digest } from '../../lib/digest.js';
import { RbmResumeError } from '../../lib/errors.js';
import { removeTree } from '../../lib/rootfs/move-tree.js';
import { exportSnapshots } from '../../lib/snapshot/export.js';
import { importSnapshots } from '../../lib/snapshot/import.js';
import { openStore } from '../../lib/snapshot/open-store.js';
import type { Snapshot } from '../../lib/snapshot/snapshot.js';
import { filesBelow } from '../store/oci-images.js';
import { partsOf, startSmallBuild } from './small-build.js';

export const hash = parseProjectHash(sha256Hex('refused'));

/** For each test of the suite that calls this: a copy of an export to spoil, and a store to import it into. */
export class SpoiledExport {
  saved!: Snapshot;
  store = '';
  dir = '';
  /** The export as it was. */
  exported = '';

  constructor() {
    let work: string;
    before(async () => {
      work = mkdtempSync(join(tmpdir(), 'rbm-resume-refused-'));
      this.exported = join(work, 'exported');
      const build = await startSmallBuild(work);
      this.saved = await build.saveLeg(join(work, 'store'), { hash });
      await exportSnapshots(join(work, 'store'), this.exported, { maxPartSize: 70_000 });
    });
    after(() => removeTree(work));
    beforeEach(() => {
      const own = mkdtempSync(join(work, 'case-'));
      [this.store, this.dir] = [join(own, 'store'), join(own, 'export')];
      cpSync(this.exported, this.dir, { recursive: true });
    });
  }

  get baseDigest(): Digest {
    return this.saved.layers[0]!.descriptor.digest;
  }

  /** One part of the base, which has several. */
  part(number: number): string {
    const name = partsOf(this.dir).filter((one) => one.startsWith(hexOf(this.baseDigest)))[number];
    assert.ok(name !== undefined);
    return name;
  }

  /** The import must fail with such a code and leave nothing behind. */
  async refuse(code: RegExp): Promise<RbmResumeError> {
    const { store, dir } = this;
    const error = await rejection(importSnapshots(store, dir));
    assert.match(error.code, code, error.message);
    assert.deepEqual(await openStore(store).list(), []);
    assert.deepEqual(existsSync(store) ? dataOf(store).filter((file) => file.startsWith('blobs')) : [], []);
    return error;
  }
}

/** The files of a store that are not this machine's own. */
export const dataOf = (root: string): string[] =>
  filesBelow(root).filter((line) => !line.startsWith('.rbm-resume/'));

export async function rejection(work: Promise<unknown>): Promise<RbmResumeError> {
  try {
    await work;
  } catch (error) {
    assert.ok(error instanceof RbmResumeError, String(error));
    return error;
  }
  return assert.fail('it was accepted');
}
