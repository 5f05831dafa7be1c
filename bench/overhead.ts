/**
 * What a build that is never interrupted pays for the shim: the same rbm with and without it, in turn. `tsx
 * bench/overhead.ts [RUNS]`; RBM_DIR names the rbm (default: the stand-in), RBM_RESUME_TEST_DIR where it builds, and
 * IMAGE a container image other than the small one.
 */
import { copyFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import Table from 'cli-table3';
import { TrapWorkspace } from '../test/rbm/trap-workspace.js';
import { loadShim, rbmsUnderTest } from '../test/rbm/workspace.js';

const runs = Number(process.argv[2] ?? 10);
const rbm = rbmsUnderTest().at(-1);
if (rbm === undefined) throw new Error('no rbm');

const project = {
  bench: { pre: '#!/bin/sh\ntrue', build: 'echo out > "[% dest_dir %]/[% c("filename") %]"' },
};
const workspaces = {
  without: new TrapWorkspace(rbm, project, { localConf: 'var:\n  bench: 1\n' }),
  with: new TrapWorkspace(rbm, project, { localConf: loadShim() }),
};
if (process.env.IMAGE !== undefined) {
  for (const { dir } of Object.values(workspaces)) {
    const image = join(dir, 'projects/common/container-image_small.tar');
    rmSync(image);
    copyFileSync(process.env.IMAGE, image);
  }
}

async function build(workspace: TrapWorkspace): Promise<number> {
  rmSync(join(workspace.dir, 'out'), { recursive: true, force: true });
  const start = process.hrtime.bigint();
  const { status, output } = await workspace.build('bench').ended;
  if (status !== 0) throw new Error(output);
  return Number(process.hrtime.bigint() - start) / 1e9;
}

const times = { without: [] as number[], with: [] as number[] };
for (const which of ['without', 'with'] as const) await build(workspaces[which]);
for (let run = 0; run < runs; run += 1) {
  for (const which of ['without', 'with'] as const) times[which].push(await build(workspaces[which]));
}
const median = (values: readonly number[]) =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;
const [without, withShim] = [median(times.without), median(times.with)];
const differences = times.with.map((value, index) => value - (times.without[index] ?? NaN));
const table = new Table({ head: ['', `seconds (median of ${runs})`], style: { head: [], border: [] } });
table.push(
  ['without the shim', without.toFixed(3)],
  ['with the shim', withShim.toFixed(3)],
  ['difference of the medians', (withShim - without).toFixed(3)],
  ['median of the differences, pair by pair', median(differences).toFixed(3)],
);
process.stdout.write(`${rbm.name}\n${table.toString()}\n`);
for (const workspace of Object.values(workspaces)) await workspace.remove();
