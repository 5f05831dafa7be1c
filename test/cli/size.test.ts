import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseSize } from '../../lib/cli/size.js';

describe('parseSize', () => {
  it('counts as split -b does', () => {
    const sizes = ['500', '500B', '400M', '400MiB', '400MB', '2G', '1 k', '1T'].map(parseSize);
    const mebi = 1024 * 1024;
    assert.deepEqual(sizes, [500, 500, 400 * mebi, 400 * mebi, 400e6, 2048 * mebi, 1024, 1024 ** 4]);
  });

  it('refuses anything else', () => {
    for (const text of ['', '0', 'M', '-1M', '1.5G', '5 bananas', '400 M B', '99999999T', '1e3', '1iB']) {
      assert.throws(() => parseSize(text), { code: 'USAGE' }, text);
    }
  });
});
