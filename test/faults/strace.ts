import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';

/** Whether strace(1) may look at the processes of this user; where it may not, the tests of faults say so and stop. */
export function whyNoStrace(): string | null {
  const { status, error } = spawnSync('strace', ['-qq', '-e', 'trace=none', 'true'], { encoding: 'utf8' });
  if (error) return `strace can't be started: ${error.message}`;
  return status === 0 ? null : 'strace may not trace here';
}

/**
 * Starts strace with these options and waits until it has all threads.
 * @returns a promise of its end, and what ends it
 */
export async function attachStrace(
  tids: readonly string[],
  options: readonly string[],
): Promise<{ readonly ended: Promise<unknown>; readonly stop: () => Promise<unknown> }> {
  const tracer = spawn('strace', [...options, ...tids.flatMap((tid) => ['-p', tid])], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const ended = once(tracer, 'close');
  let text = '';
  await new Promise<void>((resolve, reject) => {
    tracer.stderr.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      if (text.split('attached').length > tids.length) resolve();
    });
    ended.then(() => reject(new Error(`strace: ${text}`)), reject);
  });
  const stop = () => {
    tracer.kill('SIGINT');
    return ended;
  };
  return { ended, stop };
}
