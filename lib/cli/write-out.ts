import { once } from 'node:events';

/** Writes to standard output, no faster than it is read. */
export async function writeOut(chunks: AsyncIterable<Buffer> | Iterable<Buffer>): Promise<void> {
  const { stdout } = process;
  for await (const chunk of chunks) if (!stdout.write(chunk)) await once(stdout, 'drain');
}
