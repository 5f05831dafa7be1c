/**
 * What the test of full disks runs in a mount namespace of its own: each operation of the workshop, which lies on a small
 * file system, with so little left of it. Prints one line of JSON: of each operation, the codes of the errors that ended it.
 */
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { after } from 'node:test';
import { EXIT, messageOf } from '../../lib/errors.js';
import { fillDisk } from './fill-disk.js';
import { makeDisk } from './loop-disk.js';

const disk = await makeDisk('ext4', { mkfsOptions: ['-m', '0', '-N', '4096'] });
process.env.TMPDIR = disk.dir;
// They put everything into the folder for temporary files.
const { openWorkshop, OPERATIONS } = await import('./workshop.js');
const { runOperation } = await import('./run-operation.js');
after(() => disk.remove());

const filler = join(disk.dir, 'filler');
const steps = process.argv.slice(2).map((step) => {
  const [, count, unit] = /^(\d+)(k|inodes)$/.exec(step) ?? [];
  return unit === 'k' ? { kib: Number(count) } : { inodes: Number(count) };
});
const workshop = await openWorkshop();
const told: Record<string, string[]> = {};
for (const operation of OPERATIONS) {
  told[operation] = [];
  for (const step of steps) {
    workshop.reset();
    fillDisk(filler, step);
    const ended = await runOperation(workshop.wordsOf(operation));
    rmSync(filler, { recursive: true });
    try {
      assert.equal(ended.signal, null, ended.said);
      if (!ended.isDone) {
        assert.notEqual(ended.status, EXIT.internal, ended.said);
        told[operation].push(ended.code ?? `status ${ended.status}: ${ended.said}`);
      }
      await workshop.check(operation, ended);
    } catch (cause) {
      throw new Error(`${operation} with ${JSON.stringify(step)} left: ${messageOf(cause)}`, { cause });
    }
  }
}
process.stdout.write(`${JSON.stringify(told)}\n`);
