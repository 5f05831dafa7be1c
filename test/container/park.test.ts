import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { hash, ParkingPlace } from './parking-place.js';

let place: ParkingPlace;
beforeEach(() => {
  place = new ParkingPlace();
});
afterEach(() => place.remove());

describe('what is parked', () => {
  it('stays when another that is to replace it can only be parked half way', async () => {
    // The listing can't be moved, as there is none.
    const baseline = { entries: 1, bytes: 1, xxh64: '0' };
    await assert.rejects(place.park('first', 10, { baseline }));
    assert.deepEqual(readdirSync(place.paths.parkedRoot), []);
    await place.park('second', 10);
    await assert.rejects(place.park('third', 20, { baseline }));
    assert.deepEqual(readdirSync(place.paths.parkedRoot), [hash]);
    assert.equal(readFileSync(place.inTree('made-by'), 'utf8'), 'second');
    assert.equal((await place.takeBack()).how, 'rename');
  });

  it('is not in the way of a job of another class, however much work is in it', async () => {
    await place.park('first', 1000, { jobClass: 'pr/7' });
    assert.equal(await place.park('second', 10, { jobClass: 'branch' }), 'rename');
    assert.equal(readFileSync(place.inTree('made-by'), 'utf8'), 'second');
    assert.deepEqual(readdirSync(place.paths.parkedRoot), [hash]);
    assert.equal(await place.park('third', 1, { jobClass: 'branch' }), 'already-kept');
  });

  it('gives way to a tree with as much work, not to one with less', async () => {
    await place.park('first', 10);
    assert.equal(await place.park('second', 5), 'already-kept');
    assert.ok(existsSync(join(place.root, 'second')));
    assert.equal(readFileSync(place.inTree('made-by'), 'utf8'), 'first');
    assert.equal(await place.park('third', 10), 'rename');
    assert.equal(readFileSync(place.inTree('made-by'), 'utf8'), 'third');
  });
});
