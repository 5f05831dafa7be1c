import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { LEAST_PROGRESS_BYTES, watchProgress } from '../../lib/registry/watchdog.js';

describe('the watchdog of a transfer', () => {
  it('is not deceived by a program that waits and only wakes itself', async () => {
    assert.equal(await isGivenUp(1), true);
  });

  it('lets a program go on that moves something', async () => {
    assert.equal(await isGivenUp(LEAST_PROGRESS_BYTES), false);
  });
});

/** Watches a program that writes so many bytes twenty times a second. */
async function isGivenUp(bytes: number): Promise<boolean> {
  const writes = `const data = Buffer.alloc(${bytes}); setInterval(() => require('node:fs').writeSync(3, data), 50)`;
  const child = spawn(process.execPath, ['-e', writes], { stdio: ['ignore', 'ignore', 'inherit', 'pipe'] });
  const over = new AbortController();
  try {
    const pipe = child.stdio[3];
    assert.ok(child.pid !== undefined && pipe && 'resume' in pipe);
    await new Promise((resolve) => pipe.once('data', resolve));
    pipe.resume();
    const { pid } = child;
    const stalled = new Promise<boolean>((resolve) => {
      watchProgress(pid, { stallMs: 2_000, over: over.signal, onStall: () => resolve(true) });
    });
    // Longer than what counts as standing still.
    return await Promise.race([stalled, sleep(5_000, false, { signal: over.signal })]);
  } finally {
    over.abort();
    child.kill('SIGKILL');
  }
}
