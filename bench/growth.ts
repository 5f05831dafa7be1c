/**
 * How packing grows with the tree: trees of more and more entries in which the same number of files has changed. Time,
 * memory and bytes go to a plot. `tsx bench/growth.ts [--svg FILE] [--json FILE] [--runs N] [--entries N,…] [--work DIR]`.
 */
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import prettyBytes from 'pretty-bytes';
import { median, type Measured, type Packer } from './snapshots/contestant.js';
import { CHANGED_FILES, makeGrowthTree } from './snapshots/growth-tree.js';
import { hasOurs, ourFirstPack } from './snapshots/ours.js';
import { resticFromBase } from './snapshots/peers/restic.js';
import { tarZstd } from './snapshots/peers/tar.js';
import { drawPanels, type Panel } from './snapshots/plot.js';
import { withSession } from './snapshots/session.js';
import { openWorkspace, removeFolder, type Workspace } from './snapshots/workspace.js';

const { values } = parseArgs({
  options: {
    svg: { type: 'string', default: 'docs/growth.svg' },
    json: { type: 'string' },
    runs: { type: 'string', default: '3' },
    entries: { type: 'string', default: '20000,80000,320000' },
    work: { type: 'string', default: join(tmpdir(), 'rbm-resume-growth') },
  },
});

interface Point {
  readonly name: string;
  readonly entries: number;
  readonly seconds: number;
  readonly peakMemory: number;
  readonly bytes: number;
}

async function measure(packer: Packer, entries: number): Promise<Point> {
  const runs: Measured[] = [];
  for (let round = 0; round < Number(values.runs); round += 1) runs.push(await packer.pack(round));
  const of = (key: 'seconds' | 'peakMemory' | 'bytes') => median(runs.map((run) => run[key] ?? NaN));
  return {
    name: packer.name,
    entries,
    seconds: of('seconds'),
    peakMemory: of('peakMemory'),
    bytes: of('bytes'),
  };
}

function panelsOf(points: readonly Point[]): Panel[] {
  const panel = (title: string, key: 'seconds' | 'peakMemory' | 'bytes', format: Panel['format']): Panel => ({
    title,
    format,
    lines: [...new Set(points.map(({ name }) => name))].map((name) => ({
      name,
      points: points
        .filter((point) => point.name === name)
        .map((point) => ({ x: point.entries, y: point[key] })),
    })),
  });
  return [
    panel('time', 'seconds', (value) => `${value} s`),
    panel('memory of the largest process', 'peakMemory', prettyBytes),
    panel('bytes written', 'bytes', prettyBytes),
  ];
}

await withSession(async (session) => {
  const isOursThere = await hasOurs(session);
  const points: Point[] = [];
  for (const entries of values.entries.split(',').map(Number)) {
    process.stderr.write(`${entries} entries\n`);
    const work: Workspace = await openWorkspace(join(resolve(values.work), String(entries)), session);
    session.defer(() => removeFolder(session, work.dir));
    await makeGrowthTree(work, entries);
    const packers = [...(isOursThere ? [ourFirstPack(work)] : []), resticFromBase(work), tarZstd(work)];
    for (const packer of packers) points.push(await measure(packer, entries));
  }
  const changed = CHANGED_FILES.toLocaleString('en');
  const title = `Packing a tree of which ${changed} files have changed`;
  await writeFile(values.svg, drawPanels(title, 'files in the tree', panelsOf(points)));
  if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify({ points }, null, 2)}\n`);
  process.stdout.write(`${points.map((point) => JSON.stringify(point)).join('\n')}\n`);
});
