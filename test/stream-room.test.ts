import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { waitForRoom } from '../lib/stream-room.js';

describe('waitForRoom', () => {
  const listeners = (stream: PassThrough) => stream.eventNames().map((name) => stream.listenerCount(name));

  it('waits until what was written has been read, however often, and leaves no listener', async () => {
    const stream = new PassThrough({ highWaterMark: 1 });
    const before = listeners(stream);
    for (let round = 0; round < 20; round += 1) {
      assert.equal(stream.write('ab'), false);
      let hasRoom = false;
      const waiting = waitForRoom(stream).then(() => (hasRoom = true));
      await turn();
      assert.equal(hasRoom, false);
      while (stream.read() !== null);
      await waiting;
      assert.equal(stream.writableNeedDrain, false);
      assert.deepEqual(listeners(stream), before);
    }
  });

  it('ends when the stream is closed, with an error or without', async () => {
    for (const error of [undefined, new Error('gone')]) {
      const stream = new PassThrough({ highWaterMark: 1 });
      stream.on('error', () => {});
      stream.write('ab');
      const waiting = waitForRoom(stream);
      stream.destroy(error);
      await waiting;
      stream.write('more');
      await waitForRoom(stream);
      assert.equal(stream.destroyed, true);
    }
  });
});
