import { mkdirSync, mkdtempSync, readFileSync, realpathSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { packBase } from '../../fixtures/trees/base-tarball.js';
import { parseProjectHash, type Digest, type ProjectHash } from '../../lib/digest.js';
import { execInIdMap } from '../../lib/id-map.js';
import { writeListing } from '../../lib/rootfs/baseline.js';
import { removeTree } from '../../lib/rootfs/move-tree.js';
import { saveSnapshot, type SaveOptions } from '../../lib/snapshot/save.js';
import type { Snapshot } from '../../lib/snapshot/snapshot.js';
import { RECORD_FORMAT, type SnapshotRecord } from '../../lib/store/record.js';

/** A folder of the test file that imports this, removed when its tests have ended. */
export const root = realpathSync(mkdtempSync(join(tmpdir(), 'rbm-resume-small-')));
after(() => removeTree(root));

export const HASH = parseProjectHash('ab'.repeat(32));
export const OTHER_HASH = parseProjectHash('cd'.repeat(32));

export const recordOf = (hash: ProjectHash, parkedAt = '2026-01-02T03:04:05.000Z'): SnapshotRecord => ({
  format: RECORD_FORMAT,
  hash,
  project: 'hello',
  step: 'build',
  targets: ['release'],
  version: '1.2',
  filename: 'hello-1.2.tar.gz',
  expectedScripts: null,
  legs: [
    {
      startedAt: '2026-01-02T03:00:00.000Z',
      endedAt: '2026-01-02T03:04:05.000Z',
      seconds: 245,
      stoppedIn: 'build',
      place: null,
      division: null,
      escalation: 'SIGINT',
      removedFiles: [],
    },
  ],
  parkedAt,
  tmpFolders: [],
  inputs: null,
  endedScripts: [],
  reason: 'interrupted',
});

/** A tree in the container's ids, and a store beside it. */
export interface Small {
  readonly store: string;
  readonly rootfs: string;
  readonly base: string;
  readonly baseline: string;
  /** Runs a shell script in the tree, as root of the id map. */
  change(script: string): Promise<void>;
  save(options?: Partial<SaveOptions>): Promise<Snapshot>;
}

/** A tree of a few files that was extracted from a base of its own. */
export async function makeSmall(): Promise<Small> {
  const dir = mkdtempSync(join(root, 'small-'));
  const [store, rootfs, baseline] = [join(dir, 'store'), join(dir, 'rootfs'), join(dir, 'baseline')];
  mkdirSync(rootfs);
  const change = async (script: string) => {
    await execInIdMap(['sh', '-ec', `cd "$1"; ${script}`, 'sh', rootfs]);
  };
  await change('mkdir -p etc usr/bin; echo base > etc/base; echo other > etc/other; ln -s base etc/link');
  const base = await packBase(rootfs, join(dir, 'base'), {
    format: 'gnu',
    hasXattrs: false,
    isSparse: false,
    compression: 'zst',
  });
  await execInIdMap(['sh', '-ec', 'rm -rf "$1"; mkdir "$1"; tar -C "$1" -xf "$2"', 'sh', rootfs, base]);
  await writeListing(rootfs, baseline);
  let parent: Digest | null = null;
  const save = async (options: Partial<SaveOptions> = {}) => {
    const { snapshot } = await saveSnapshot(store, {
      rootfs,
      base,
      baseline,
      parent,
      record: recordOf(HASH),
      listingTo: baseline,
      ...options,
    });
    parent = snapshot.digest;
    return snapshot;
  };
  return { store, rootfs, base, baseline, change, save };
}

/** Changes one byte in the middle of a file, which keeps its size. A hard link of it is not touched. */
export function flipByte(file: string): void {
  const data = readFileSync(file);
  const at = Math.floor(data.length / 2);
  data[at] = (data[at] ?? 0) ^ 255;
  unlinkSync(file);
  writeFileSync(file, data);
}
