import { open } from 'node:fs/promises';
import { messageOf } from '../errors.js';
import type { RunningScript } from '../store/live.js';
import { traceTo } from '../trace.js';

const trace = traceTo('interrupt');

/**
 * What make and ninja say when a command of theirs has failed, while they wait for the others (`make -j`, `-k`):
 * `make[1]: *** [Makefile:7: x] Error 1`, `FAILED: x`. What they say of a signal reads otherwise.
 */
const FAILURES = [/^[^\s:]*make(?:\[\d+\])?: \*\*\* .*\bError \d+/, /^FAILED: /];

/**
 * The line of the build log in which a tool has said, since the script began, that a command failed; `null` when there is
 * none, or no log to read. Such a build is failing already, and what a failed command was writing may look finished.
 */
export async function findFailure(running: RunningScript): Promise<string | null> {
  if (running.log === null) return null;
  try {
    const handle = await open(running.log, 'r');
    try {
      const { size } = await handle.stat();
      const start = Math.min(running.logOffset, size);
      const stream = handle.createReadStream({ start, autoClose: false, encoding: 'utf8' });
      let rest = '';
      for await (const chunk of stream) {
        const lines = (rest + String(chunk)).split('\n');
        rest = lines.pop() ?? '';
        const failure = lines.find((line) => FAILURES.some((pattern) => pattern.test(line)));
        if (failure !== undefined) return failure;
      }
      return null;
    } finally {
      await handle.close();
    }
  } catch (error) {
    trace('cannot read %s: %s', running.log, messageOf(error));
    return null;
  }
}
