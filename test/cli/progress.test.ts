import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { describeProgress } from '../../lib/cli/progress.js';

test('describeProgress tells bytes, entries, rate and, where the whole is known, the time left', () => {
  const packing = { what: 'packing', bytes: 4 << 20, entries: 12, totalBytes: null } as const;
  assert.equal(describeProgress(packing, 2000), 'packing: 4 MiB, 12 entries, 2 MiB/s');
  const restoring = { what: 'restoring', bytes: 1 << 20, entries: 0, totalBytes: 4 << 20 } as const;
  assert.equal(describeProgress(restoring, 1000), 'restoring: 1 MiB of 4 MiB, 1 MiB/s, 3s left');
  assert.equal(describeProgress({ ...packing, bytes: 0, entries: 0 }, 0), 'packing');
});

const script = (ms: number) => `
  const { withProgress } = await import(${JSON.stringify(import.meta.resolve('../../lib/cli/progress.ts'))});
  await withProgress(async (tell) => {
    const until = Date.now() + ${ms};
    do {
      tell({ what: 'restoring', bytes: 1 << 20, entries: 0, totalBytes: 4 << 20 });
      await new Promise((done) => setTimeout(done, 50));
    } while (Date.now() < until);
  });`;
const node = (ms: number) => [
  process.execPath,
  '--import',
  import.meta.resolve('tsx'),
  '--input-type=module',
  '-e',
  script(ms),
];

test('a log gets one line for a stage that takes longer than a second, and none for a shorter one', () => {
  const saidIn = (ms: number) => {
    const [program = '', ...args] = node(ms);
    return spawnSync(program, args, { encoding: 'utf8' }).stderr;
  };
  assert.equal(saidIn(1500), 'rbm-resume: restoring ...\n');
  assert.equal(saidIn(100), '');
});

test('a terminal gets a bar', () => {
  const quoted = node(2000).map((word) => `'${word.replaceAll("'", "'\\''")}'`);
  const { stdout } = spawnSync('script', ['-qec', quoted.join(' '), '/dev/null'], { encoding: 'utf8' });
  assert.match(stdout, /restoring: 1 MiB of 4 MiB/);
});
