import { constants } from 'node:fs';
import { open } from 'node:fs/promises';

/**
 * How to open a regular file where anybody may have put anything, before `fstat` tells what it is. O_NONBLOCK means nothing to a
 * regular file; a FIFO in its place would be waited for without it.
 */
export const READ_PLAIN_FILE = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/**
 * A small regular file, where anybody may have put anything; `null` when it is something else, not there, can't be read, or has more
 * than `maxBytes`. No symbolic link is followed.
 */
export async function readPlainFile(path: string, maxBytes: number): Promise<Buffer | null> {
  try {
    const file = await open(path, READ_PLAIN_FILE);
    try {
      const stats = await file.stat();
      return stats.isFile() && stats.size <= maxBytes ? await file.readFile() : null;
    } finally {
      await file.close();
    }
  } catch {
    return null;
  }
}
