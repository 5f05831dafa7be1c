import { constants } from 'node:fs';
import { open } from 'node:fs/promises';

/** O_NONBLOCK means nothing to a regular file; a FIFO in its place would be waited for without it. */
const FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/**
 * A small regular file, where anybody may have put anything; `null` when it is something else, not there, can't be read, or has more
 * than `maxBytes`. No symbolic link is followed.
 */
export async function readPlainFile(path: string, maxBytes: number): Promise<Buffer | null> {
  try {
    const file = await open(path, FLAGS);
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
