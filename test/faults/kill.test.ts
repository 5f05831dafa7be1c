import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { messageOf } from '../../lib/errors.js';
import { isEverywhere, sample } from './points.js';
import { countCalls, runOperation } from './run-operation.js';
import { whyNoStrace } from './strace.js';
import { openWorkshop, OPERATIONS, type Workshop } from './workshop.js';

/** The system calls that change what is on the disk, or begin to. */
const CALLS = [
  ...[
    'openat',
    'close',
    'write',
    'writev',
    'pwrite64',
    'pwritev',
    'ftruncate',
    'copy_file_range',
    'sendfile',
  ],
  ...['fsync', 'fdatasync', 'rename', 'link', 'unlink', 'unlinkat', 'rmdir', 'mkdir', 'symlink'],
];

const reason = whyNoStrace();

describe('kill -9', { timeout: 14_400_000, skip: reason ?? false }, () => {
  let workshop: Workshop;
  before(async () => {
    workshop = await openWorkshop();
  });

  let [points, kills] = [0, 0];
  const durations = new Map<string, number>();
  for (const operation of OPERATIONS) {
    it(`in any system call of ${operation} loses nothing, and the next one works`, async (t) => {
      workshop.reset();
      const counts = await countCalls(workshop.wordsOf(operation), CALLS, true);
      const all = [...counts].flatMap(([call, count]) =>
        Array.from({ length: count }, (_, at) => `${call}:signal=KILL:when=${at + 1}`),
      );
      assert.ok(all.length >= 10, 'strace has not seen the system calls');
      let killed = 0;
      for (const point of sample(all, 2)) {
        workshop.reset();
        const expressions = [`trace=${point.split(':')[0]}`, `inject=${point}`];
        const ended = await runOperation(workshop.wordsOf(operation), {
          fault: { expressions, isMainToo: true },
        });
        if (ended.signal === 'SIGKILL') killed += 1;
        else assert.ok(ended.isDone, ended.said);
        await workshop.check(operation, ended).catch((cause: unknown) => {
          throw new Error(`${operation} ${point}: ${messageOf(cause)}`, { cause });
        });
        points += 1;
      }
      t.diagnostic(`${killed} kills of ${all.length} points`);
      kills += killed;
    });
  }

  it('at random moments loses nothing either', async (t) => {
    const moments = Number(process.env.MOMENTS ?? (isEverywhere ? 1000 : 3));
    for (let moment = 0; moment < moments; moment += 1) {
      const operation = OPERATIONS[moment % OPERATIONS.length] ?? 'pack';
      workshop.reset();
      const { ms } = moment < OPERATIONS.length ? await runOperation(workshop.wordsOf(operation)) : { ms: 0 };
      if (ms > 0) durations.set(operation, ms);
      workshop.reset();
      const killAfterMs = Math.random() * (durations.get(operation) ?? 1000);
      const ended = await runOperation(workshop.wordsOf(operation), { killAfterMs });
      await workshop.check(operation, ended).catch((cause: unknown) => {
        throw new Error(`${operation} after ${killAfterMs} ms: ${messageOf(cause)}`, { cause });
      });
    }
    // A call that is counted in one run may not be made in another.
    assert.ok(kills > points / 2, 'hardly anybody was killed');
    t.diagnostic(`${points} points in system calls, ${moments} moments`);
  });
});

if (reason !== null) process.stderr.write(`kill -9 in system calls was NOT TESTED: ${reason}\n`);
