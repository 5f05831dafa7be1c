/**
 * Portable snapshots beside what else keeps a tree: whole commands, in turn, medians.
 * `tsx bench/snapshots.ts [--json FILE] [--runs N] [--only WORD,…] [--work DIR] [--image FILE] [--prepare]`, as root (it mounts
 * file systems of its own and installs Debian's packages of the peers). What it prepares stays in the work folder (by
 * default in the folder for temporary files); a second run begins with it. All trees are read from warm caches.
 */
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { hasOurs } from './snapshots/ours.js';
import { prepare } from './snapshots/prepare.js';
import { formatTable, writeJson, type Comparison } from './snapshots/report.js';
import { commandRows } from './snapshots/rows.js';
import { withSession } from './snapshots/session.js';
import { scanRow, sizeRows } from './snapshots/sizes.js';
import { openWorkspace } from './snapshots/workspace.js';

const { values } = parseArgs({
  options: {
    json: { type: 'string' },
    runs: { type: 'string', default: '5' },
    only: { type: 'string', default: '' },
    work: { type: 'string', default: join(tmpdir(), 'rbm-resume-bench') },
    image: { type: 'string' },
    prepare: { type: 'boolean', default: false },
  },
});

await withSession(async (session) => {
  if (process.getuid?.() !== 0) throw new Error('the benchmark mounts file systems: run it as root');
  const work = await openWorkspace(resolve(values.work), session);
  await prepare(work, values.image);
  if (values.prepare) return;
  const isOursThere = await hasOurs(session);
  const words = values.only.split(',').map((word) => word.toLowerCase());
  const rows = [...commandRows(work, isOursThere), ...sizeRows(work, isOursThere), scanRow(work)].filter(
    ({ what, peer }) => words.some((word) => `${what} ${peer}`.toLowerCase().includes(word)),
  );
  const done: Comparison[] = [];
  for (const row of rows) {
    process.stderr.write(`${row.what}: ${row.peer}\n`);
    done.push(await row.measure(Number(values.runs)));
    // Whatever happens later, what was measured is there.
    if (values.json !== undefined) await writeJson(values.json, done);
  }
  process.stdout.write(`medians of ${values.runs} runs in turn\n${formatTable(done)}\n`);
});
