import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { ERROR_EXIT_STATUS, EXIT, messageOf, RbmResumeError, systemErrorCode } from '../lib/errors.js';

const documentation = readFileSync(new URL('../docs/errors.md', import.meta.url), 'utf8');

describe('docs/errors.md', () => {
  it('has one row for each code, with its exit status, and no other', () => {
    const rows = [...documentation.matchAll(/^\| `([A-Z_]+)`\s*\| (\d+)\s*\| .+ \|$/gm)];
    const documented: Record<string, number> = {};
    for (const [, code, status] of rows) documented[String(code)] = Number(status);
    assert.deepEqual(documented, { ...ERROR_EXIT_STATUS });
  });

  it('has one row for each exit status', () => {
    const rows = [...documentation.matchAll(/^\| (\d+)\s*\| .+ \|$/gm)].map(([, status]) => Number(status));
    assert.deepEqual(
      rows,
      Object.values(EXIT).sort((a, b) => a - b),
    );
  });
});

describe('RbmResumeError', () => {
  it('carries its code, hint, cause, fields and exit status', () => {
    const cause = new Error('because');
    const error = new RbmResumeError('NOT_KEPT', 'nothing', { hint: 'look', cause, fields: { a: 1 } });
    assert.deepEqual(
      [error.name, error.code, error.message, error.hint, error.cause, error.fields, error.exitStatus],
      ['RbmResumeError', 'NOT_KEPT', 'nothing', 'look', cause, { a: 1 }, 66],
    );
  });

  it('is told from system errors', () => {
    assert.equal(systemErrorCode(Object.assign(new Error('x'), { code: 'ENOENT' })), 'ENOENT');
    assert.equal(systemErrorCode('ENOENT'), undefined);
    // What Node says of EDQUOT.
    const nameless = Object.assign(new Error('x'), { code: 'Unknown system error -122' });
    assert.equal(systemErrorCode(nameless), 'EDQUOT');
    assert.equal(messageOf('text'), 'text');
  });
});
