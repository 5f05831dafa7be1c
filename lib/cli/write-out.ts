import { once } from 'node:events';
import { systemErrorCode } from '../errors.js';

/**
 * Writes to standard output, no faster than it is read. When its reader has gone (`| head`), the process ends there and then,
 * with status 0: nobody wants the rest.
 */
export async function writeOut(chunks: AsyncIterable<Buffer> | Iterable<Buffer>): Promise<void> {
  const { stdout } = process;
  stdout.on('error', (error) => {
    if (systemErrorCode(error) === 'EPIPE') process.exit(0);
    throw error;
  });
  for await (const chunk of chunks) if (!stdout.write(chunk)) await once(stdout, 'drain');
}
