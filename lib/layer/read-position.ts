import { readFile } from 'node:fs/promises';

const EVERY_MS = 200;

/**
 * Tells, while `work` runs, how many bytes have been read of open files from their beginning, by this process or by those
 * that it has passed them to: a descriptor that is passed on shares its offset. Source: proc_pid_fdinfo(5), `pos`.
 */
export async function watchPositions<T>(
  fds: readonly number[],
  onBytes: ((bytes: number) => void) | undefined,
  work: () => Promise<T>,
): Promise<T> {
  if (onBytes === undefined) return work();
  const tell = () => void readPositions(fds).then(onBytes, () => {});
  const timer = setInterval(tell, EVERY_MS);
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}

async function readPositions(fds: readonly number[]): Promise<number> {
  const texts = await Promise.all(fds.map((fd) => readFile(`/proc/self/fdinfo/${fd}`, 'utf8')));
  return texts.reduce((sum, text) => sum + Number(/^pos:\s*(\d+)/m.exec(text)?.[1] ?? 0), 0);
}
