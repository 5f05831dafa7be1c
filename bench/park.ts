/**
 * How long it takes to keep a root filesystem and to take it back, as whole processes with the start of Node.js, beside
 * what copying the same tree takes. `tsx bench/park.ts [ENTRIES...]`; BENCH_DIR names a folder on the disk to measure.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Table from 'cli-table3';

const packageDir = join(dirname(fileURLToPath(import.meta.url)), '..');
const RUNS = 5;

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;

function seconds(
  program: string,
  args: readonly string[],
  options: { env?: Record<string, string>; input?: string } = {},
): number {
  const start = process.hrtime.bigint();
  const result = spawnSync(program, args, {
    env: { ...process.env, ...options.env },
    input: options.input ?? '',
    encoding: 'utf8',
  });
  if (result.status !== 0)
    throw new Error(`${program} ${args.join(' ')}: ${result.status}\n${result.stderr}`);
  return Number(process.hrtime.bigint() - start) / 1e9;
}

const description = (entries: number): string =>
  JSON.stringify({
    format: 1,
    project: `bench-${entries}`,
    step: 'build',
    targets: [],
    version: null,
    filename: null,
    architecture: null,
    source: null,
    container_image: [],
    input_files: [],
    scripts: { build: 'true' },
    container: { user: null, offline: [], templates: {}, remote_mktemp: null },
  });

function makeTree(dir: string, entries: number): void {
  const script = `mkdir -p "$1" && cd "$1" && seq -f '%07g' 1 "$2" | awk '{d = substr($1, 1, 5); if (d != last) { system("mkdir -p d" d); last = d } print > ("d" d "/" $1); close("d" d "/" $1)}'`;
  seconds('sh', ['-c', script, 'sh', dir, String(entries)]);
}

function measure(root: string, entries: number): string[][] {
  const dir = join(root, String(entries));
  const [store, tree] = [join(dir, 'store'), join(dir, 'tree')];
  makeTree(tree, entries);
  const clean = join(dir, 'clean');
  const times = { create: [] as number[], park: [] as number[], take: [] as number[], copy: [] as number[] };
  let container = join(dir, 'containers', 'first');
  writeFileSync(clean, `#!/bin/sh\nmkdir -p ${dirname(container)} && mv ${tree} ${container}\n`, {
    mode: 0o755,
  });
  const hook = (name: string, args: readonly string[]): number =>
    seconds(join(packageDir, 'hooks', name), ['--store', store, '--container', container, ...args], {
      input: description(entries),
    });
  times.create.push(hook('container-create', ['--clean-path', clean]));
  for (let run = 0; run < RUNS; run += 1) {
    const live = join(store, '.rbm-resume', 'live', container.slice(container.lastIndexOf('/') + 1));
    writeFileSync(join(live, 'tmp-folders-given'), '2\n');
    writeFileSync(join(live, 'scripts'), 'build interrupted\n');
    times.park.push(hook('container-exit', []));
    container = join(dir, 'containers', `leg-${run}`);
    times.take.push(hook('container-create', ['--clean-path', clean]));
  }
  times.copy.push(seconds('cp', ['-a', container, join(dir, 'copy')]));
  rmSync(dir, { recursive: true });
  const copy = median(times.copy);
  return (Object.keys(times) as (keyof typeof times)[]).map((what) => {
    const value = median(times[what]);
    const names = {
      create: 'clean start: baseline of all entries',
      park: 'park',
      take: 'take back',
      copy: 'cp -a of the tree',
    };
    return [String(entries), names[what], value.toFixed(3), (value / copy).toFixed(3)];
  });
}

const root = mkdtempSync(join(process.env.BENCH_DIR ?? tmpdir(), 'rbm-resume-bench-'));
mkdirSync(root, { recursive: true });
const table = new Table({
  head: ['entries', 'what', `seconds (median of ${RUNS})`, 'of cp -a'],
  style: { head: [], border: [] },
});
const sizes = process.argv.slice(2).map(Number);
for (const entries of sizes.length > 0 ? sizes : [30_000, 300_000]) table.push(...measure(root, entries));
rmSync(root, { recursive: true });
process.stdout.write(`${table.toString()}\n`);
