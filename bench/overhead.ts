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

interface Cost {
  readonly wall: number;
  /** User and system time of all processes, which a busy machine disturbs less. */
  readonly cpu: number;
}

async function build(workspace: TrapWorkspace): Promise<Cost> {
  rmSync(join(workspace.dir, 'out'), { recursive: true, force: true });
  const script = 'TIMEFORMAT="cost %R %U %S"; time "$@"';
  const argv = ['bash', '-c', script, 'bash', workspace.rbmProgram, 'build', 'bench'] as const;
  const { status, output } = await workspace.start(argv, { RBM_NO_DEBUG: '1' }).ended;
  const [, wall, user, system] = /^cost (\S+) (\S+) (\S+)$/m.exec(output) ?? [];
  if (status !== 0) throw new Error(output);
  return { wall: Number(wall), cpu: Number(user) + Number(system) };
}

const times = { without: [] as Cost[], with: [] as Cost[] };
for (const which of ['without', 'with'] as const) await build(workspaces[which]);
for (let run = 0; run < runs; run += 1) {
  for (const which of ['without', 'with'] as const) times[which].push(await build(workspaces[which]));
}
const median = (values: readonly number[]) =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;
const row = (what: string, value: (cost: Cost) => number) => {
  const [without, withShim] = [times.without.map(value), times.with.map(value)];
  const differences = withShim.map((seconds, index) => seconds - (without[index] ?? NaN));
  return [
    what,
    ...[median(without), median(withShim), median(differences)].map((seconds) => seconds.toFixed(3)),
  ];
};
const table = new Table({
  head: [`median of ${runs}`, 'without the shim', 'with it', 'difference pair by pair'],
  style: { head: [], border: [] },
});
table.push(
  row('seconds', ({ wall }) => wall),
  row('CPU seconds', ({ cpu }) => cpu),
);
process.stdout.write(`${rbm.name}\n${table.toString()}\n`);
for (const workspace of Object.values(workspaces)) await workspace.remove();
