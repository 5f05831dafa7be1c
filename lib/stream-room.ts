import type { Writable } from 'node:stream';

/**
 * Waits until a stream takes more, or has been closed. Leaves no listener behind, unlike a race of `once`, whose loser stays: a
 * long archive waits thousands of times.
 */
export async function waitForRoom(stream: Writable): Promise<void> {
  while (stream.writableNeedDrain && !stream.destroyed) {
    await new Promise<void>((resolve) => {
      const end = (): void => {
        stream.off('drain', end).off('close', end);
        resolve();
      };
      stream.on('drain', end).on('close', end);
    });
  }
}
