import { mkdtempSync, readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { treePlan } from '../../fixtures/trees/arbitraries.js';
import type { DressPlan, EntryPlan } from '../../fixtures/trees/plan.js';
import { toBytes } from '../../lib/rootfs/entry.js';
import { growTree } from '../../fixtures/trees/grow-tree.js';
import { execInIdMap } from '../../lib/id-map.js';
import { writeLayer } from '../../lib/layer/write.js';
import { removeTree } from '../../lib/rootfs/move-tree.js';

const ALL = ['--xattrs', '--xattrs-include=user.*', '--sparse', '--numeric-owner'];
const WAYS: readonly (readonly string[])[] = [
  ['--format=posix', ...ALL],
  ['--format=gnu', '--sparse', '--numeric-owner'],
  ['--format=posix', '--sparse', '--sparse-version=0.1'],
  ['--format=posix', '--sparse', '--sparse-version=0.0'],
  ['--format=ustar', '--ignore-failed-read'],
];

/** Sound archives of random small trees, as GNU tar writes them in its formats, and as layers of ours. */
export async function makeArchives(seed: number, trees: number): Promise<Buffer[]> {
  const work = mkdtempSync(join(tmpdir(), 'rbm-resume-pool-'));
  const archives: Buffer[] = [];
  try {
    for (const [number, plan] of fc.sample(treePlan, { seed, numRuns: trees }).entries()) {
      const dir = join(work, `tree-${number}`);
      const entries = plan.entries
        .filter(({ node }) => node.kind !== 'socket')
        .slice(0, 14)
        .map(withUtf8Names);
      await execInIdMap(['mkdir', dir]);
      await growTree(dir, { ...plan, entries, root: withAsciiAttributes(plan.root) });
      for (const [way, args] of WAYS.entries()) {
        const file = join(work, `${number}-${way}.tar`);
        const handle = await open(file, 'wx');
        try {
          const argv = ['tar', '-C', dir, '--create', ...args, '.'] as const;
          // ustar can't hold long names and times before 1970: GNU tar says which members it leaves out.
          await execInIdMap(argv, { stdoutTo: handle.fd, allowStderr: true, okStatuses: [2] });
        } finally {
          await handle.close();
        }
        archives.push(readFileSync(file));
      }
      archives.push(await packLayer(dir, join(work, `${number}.layer`)));
    }
  } finally {
    await removeTree(work);
  }
  return archives;
}

/** libarchive stops at a name that is not UTF-8, so there are few of them. */
function withUtf8Names(entry: EntryPlan, number: number): EntryPlan {
  const { node, dress } = entry;
  return {
    ...entry,
    name: toUtf8(entry.name, number),
    node: node.kind === 'symlink' ? { ...node, target: toUtf8(node.target, number) } : node,
    dress: withAsciiAttributes(dress),
  };
}

const withAsciiAttributes = (dress: DressPlan): DressPlan => ({
  ...dress,
  xattrs: (dress.xattrs ?? []).map(([name, value]) => [name.replace(/[\x80-\xff]/g, '~'), value] as const),
});

function toUtf8(name: string, number: number): string {
  const isUtf8 = !toBytes(name).toString('utf8').includes('\ufffd');
  return isUtf8 || number === 13 ? name : name.replace(/[\x80-\xff]/g, '~');
}

async function packLayer(dir: string, file: string): Promise<Buffer> {
  const found = await execInIdMap(['find', dir, '-mindepth', '1', '-printf', '%P\\0']);
  const paths = found.stdout.toString('latin1').split('\0').slice(0, -1);
  const removed = ['gone', 'long/'.repeat(30) + 'gone', 'ünicode/gone'];
  const changes = {
    paths,
    removed,
    leftOut: { sockets: 0, devices: 0 },
    candidates: [],
    entries: 0,
    bytes: 0,
  };
  await writeLayer(dir, changes, { file, compression: 'gzip' });
  const { stdout } = await execInIdMap(['gzip', '-dc', file]);
  return stdout;
}
