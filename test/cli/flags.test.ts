import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parsePatience } from '../../lib/cli/flags.js';

describe('parsePatience', () => {
  it('has a minute, and 20 s of it for a statement, where nobody says otherwise', () => {
    assert.deepEqual(parsePatience({}), { graceMs: 60_000, finishStatementMs: 20_000 });
    assert.deepEqual(parsePatience({ grace: '5s' }), { graceMs: 5_000, finishStatementMs: 20_000 });
    assert.equal(parsePatience({ finishStatement: '500ms' }).graceMs, 60_000);
  });
  it('gives as much grace as a statement needs that may take long', () => {
    assert.deepEqual(parsePatience({ finishStatement: '60s' }), {
      graceMs: 150_000,
      finishStatementMs: 60_000,
    });
    assert.deepEqual(parsePatience({ finishStatement: '60s', grace: '150s' }).graceMs, 150_000);
  });
  it('refuses a grace in which the statement would be cut off earlier than was asked for', () => {
    assert.throws(() => parsePatience({ finishStatement: '60s', grace: '60s' }), {
      code: 'USAGE',
      message: /of a --grace of 60s, a statement can have 24s, not 60s/,
    });
  });
});
