import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { EXIT, messageOf } from '../../lib/errors.js';
import { sample } from './points.js';
import { countCalls, runOperation } from './run-operation.js';
import { whyNoStrace } from './strace.js';
import { openWorkshop, OPERATIONS, type Workshop } from './workshop.js';

/** System calls, and with what each of them is let fail. Source: their manual pages. */
const ERRORS: Readonly<Record<string, readonly string[]>> = {
  openat: ['ENOSPC', 'EIO', 'EDQUOT', 'EMFILE'],
  read: ['EIO'],
  pread64: ['EIO'],
  write: ['ENOSPC', 'EIO', 'EDQUOT'],
  pwrite64: ['ENOSPC', 'EIO', 'EDQUOT'],
  fsync: ['ENOSPC', 'EIO', 'EDQUOT'],
  rename: ['ENOSPC', 'EIO', 'EDQUOT'],
  link: ['ENOSPC', 'EIO', 'EDQUOT'],
  unlink: ['EIO'],
  mkdir: ['ENOSPC', 'EIO', 'EDQUOT'],
  copy_file_range: ['ENOSPC', 'EIO'],
};

const reason = whyNoStrace();

describe('an error of the system', { timeout: 14_400_000, skip: reason ?? false }, () => {
  let workshop: Workshop;
  before(async () => {
    workshop = await openWorkshop();
  });

  for (const operation of OPERATIONS) {
    it(`in any system call of ${operation} is told by its name and loses nothing`, async (t) => {
      workshop.reset();
      const counts = await countCalls(workshop.wordsOf(operation), Object.keys(ERRORS), false);
      const all = [...counts].flatMap(([call, count]) =>
        Array.from({ length: count }, (_, at) => at + 1).flatMap((at) =>
          (ERRORS[call] ?? []).flatMap((error) => [
            `${call}:error=${error}:when=${at}`,
            // Lasting ones of write meet the descriptor by which Node's own threads wake each other; those of read the pipe
            // that libuv's signal handler locks itself with, and then no end of a child is ever seen.
            ...(['write', 'read'].includes(call) ? [] : [`${call}:error=${error}:when=${at}+`]),
          ]),
        ),
      );
      assert.ok(all.length >= 20, 'strace has not seen the system calls');
      let failed = 0;
      const points = sample(all, 4);
      for (const point of points) {
        workshop.reset();
        const ended = await runOperation(workshop.wordsOf(operation), {
          fault: { expressions: [`trace=${point.split(':')[0]}`, `inject=${point}`], isMainToo: false },
        });
        try {
          // Node gives up when it can't wake its own threads, and then nobody could tell anything.
          const isNodesOwn = ended.signal === 'SIGABRT' && point.startsWith('write');
          if (!isNodesOwn) assert.equal(ended.signal, null, ended.said);
          if (!ended.isDone && !isNodesOwn) {
            failed += 1;
            assert.notEqual(ended.code, null, ended.said);
            assert.notEqual(ended.status, EXIT.internal, ended.said);
          }
          await workshop.check(operation, ended);
        } catch (cause) {
          throw new Error(`${operation} ${point}: ${messageOf(cause)}`, { cause });
        }
      }
      t.diagnostic(`${points.length} errors of ${all.length} possible ones, ${failed} ended the operation`);
    });
  }
});

if (reason !== null) process.stderr.write(`errors of the system were NOT TESTED: ${reason}\n`);
