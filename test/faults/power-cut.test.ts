import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DISK_KINDS } from './loop-disk.js';
import { isEverywhere } from './points.js';
import { whyNoStrace } from './strace.js';
import { runOnDisk, whyNoDisk } from './with-disk.js';

/** What is done until the power is cut, and how many cuts the long form has on each kind of file system. */
const CUTS = { images: 100, snapshots: 100, exports: 60 } as const;

const run = (...words: readonly string[]) => runOnDisk('power-cut-program.ts', ...words);

for (const kind of DISK_KINDS) {
  const reason = await whyNoDisk(kind);
  if (reason !== null) process.stderr.write(`power cuts on ${kind} were NOT TESTED: ${reason}\n`);

  describe(`a power cut on ${kind}`, { timeout: 14_400_000, skip: reason ?? false }, () => {
    for (const [name, many] of Object.entries(CUTS)) {
      it(`loses none of the ${name} that were acknowledged, and leaves none half there`, async (t) => {
        const cuts = Number(process.env.CUTS ?? (isEverywhere ? many : 3));
        const { acknowledged } = await run(kind, name, String(cuts));
        assert.equal(typeof acknowledged, 'number');
        t.diagnostic(`${cuts} cuts, ${String(acknowledged)} acknowledged before them`);
      });
    }
  });
}

describe('the judge of power cuts', async () => {
  const reason = (await whyNoDisk('ext4')) ?? whyNoStrace();
  if (reason !== null) process.stderr.write(`the judge of power cuts was NOT TESTED: ${reason}\n`);

  it('finds what is lost where directories are not synced', { skip: reason ?? false }, async () => {
    const { lost } = await run('ext4', 'judge');
    assert.match(String(lost), /image that was acknowledged is lost/);
  });
});
