import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseDuration, parseMoment } from '../../lib/cli/duration.js';

describe('parseDuration', () => {
  it('takes a number with a unit', () => {
    assert.deepEqual(
      ['90s', '105m', '1.5h', '500ms'].map(parseDuration),
      [90_000, 6_300_000, 5_400_000, 500],
    );
  });
  it('refuses what nobody can be sure of', () => {
    for (const text of ['', '105', 'm', '5 bananas', '-5m', '1h30m']) {
      assert.throws(() => parseDuration(text), { code: 'USAGE' }, text);
    }
  });
});

describe('parseMoment', () => {
  const now = new Date(2026, 10, 22, 18, 0, 0);
  it('takes the next time that the clock shows it', () => {
    assert.deepEqual(parseMoment('18:30', now), new Date(2026, 10, 22, 18, 30));
    assert.deepEqual(parseMoment('18:00', now), new Date(2026, 10, 23, 18, 0));
    assert.deepEqual(parseMoment('6:05', now), new Date(2026, 10, 23, 6, 5));
  });
  it('takes ISO 8601', () => {
    assert.equal(parseMoment('2026-11-22T18:30:00Z', now).toISOString(), '2026-11-22T18:30:00.000Z');
  });
  it('refuses anything else', () => {
    for (const text of ['', '25:00', '18', 'tomorrow', '2026-11-22', '2026-13-40T00:00:00Z']) {
      assert.throws(() => parseMoment(text, now), { code: 'USAGE' }, text);
    }
  });
});
