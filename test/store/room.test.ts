import assert from 'node:assert/strict';
import { statfsSync } from 'node:fs';
import { describe, it } from 'node:test';
import { RbmResumeError } from '../../lib/errors.js';
import { readRoom, refuseWithoutRoom, withRoom, WRITER_NEED } from '../../lib/store/room.js';

const place = { dir: '/tmp/not/there/yet', what: 'the snapshot' };
const full = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });

describe('room for what is about to be written', () => {
  it('is what the file system has on which it is going to be', async () => {
    const { bsize, blocks, files } = statfsSync('/tmp');
    const room = await readRoom(place.dir);
    assert.ok(room.bytes > 0 && room.bytes <= bsize * blocks);
    if (files > 0) assert.ok(room.inodes !== null && room.inodes <= files);
  });

  it('is refused with what is missing, of bytes or inodes, before anything is done', async () => {
    const { bytes, inodes } = await readRoom(place.dir);
    let isDone = false;
    const refusal = async (need: { readonly bytes: number; readonly inodes: number }) => {
      const error = await withRoom(place, need, () => Promise.resolve((isDone = true))).catch(
        (one: unknown) => one,
      );
      assert.ok(error instanceof RbmResumeError && error.code === 'NO_ROOM');
      return error;
    };
    const TB = 2 ** 40;
    const tooBig = await refusal({ bytes: bytes + TB, inodes: 1 });
    assert.ok(Math.abs(Number(tooBig.fields.missing) - TB) < TB / 4);
    assert.equal(tooBig.fields.missingInodes, 0);
    assert.match(tooBig.message, /\/tmp\/not\/there\/yet .* bytes are missing/);
    if (inodes !== null) {
      const tooMany = await refusal({ bytes: 1, inodes: inodes * 3 });
      assert.ok(Number(tooMany.fields.missingInodes) > inodes);
      assert.equal(tooMany.fields.missing, 0);
      assert.match(tooMany.message, /inodes are missing/);
    }
    assert.equal(isDone, false);
    await refuseWithoutRoom(place, {
      bytes: bytes + TB,
      inodes: 1,
      freed: { bytes: 2 * TB, inodes: 0 },
    });
  });

  it('is not to blame where the full file system is another one', async () => {
    await assert.rejects(
      withRoom(place, WRITER_NEED, () => Promise.reject(full)),
      full,
    );
    const bug = new TypeError('bug');
    await assert.rejects(
      withRoom(place, WRITER_NEED, () => Promise.reject(bug)),
      bug,
    );
  });
});
