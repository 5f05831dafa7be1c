import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isEverywhere } from './points.js';
import { runOnDisk, whyNoDisk } from './with-disk.js';

/** What is left of the disk when an operation begins. */
const STEPS = isEverywhere
  ? [
      ...Array.from({ length: 40 }, (_, step) => `${step * 16}k`),
      '1000k',
      '3000k',
      '0inodes',
      '3inodes',
      '9inodes',
      '20inodes',
    ]
  : ['0k', '150k', '0inodes'];

const reason = await whyNoDisk('ext4');
if (reason !== null) process.stderr.write(`full disks were NOT TESTED: ${reason}\n`);

describe('a disk without blocks, or without inodes', { timeout: 14_400_000, skip: reason ?? false }, () => {
  it('ends any operation by a name, and leaves what is parked and what was committed as it was', async (t) => {
    const told = (await runOnDisk('full-disk-program.ts', ...STEPS)) as Record<string, string[]>;
    t.diagnostic(`${STEPS.length} steps: ${JSON.stringify(told)}`);
    for (const operation of ['save', 'pack', 'import'])
      assert.ok(told[operation]?.includes('NO_ROOM'), `${operation} has not said what is missing`);
    for (const [operation, codes] of Object.entries(told)) {
      assert.ok(codes.length > 0, `${operation} never met a full disk`);
      for (const code of codes) assert.match(code, /^(NO_ROOM|STORE_WRITE_FAILED|IO_FAILED)$/, operation);
    }
  });

  it('leaves what is parked where it is, since a build that went on there would fail and lose it', async () => {
    const { told } = (await runOnDisk('full-disk-taken-program.ts')) as { told: [string, string, boolean][] };
    assert.deepEqual(
      told.map(([how]) => how),
      ['left', 'left', 'rename'],
    );
    for (const [, reason, isThere] of told.slice(0, 2)) {
      assert.match(reason, /too little room for the build: \d+ (bytes|inodes) are free/);
      assert.ok(isThere);
    }
  });
});
