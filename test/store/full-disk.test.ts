import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { packageDir } from '../rbm/workspace.js';

describe('a disk that is full', () => {
  it('leaves the old state at whatever write it is met, and a base from another disk is copied', () => {
    const root = mkdtempSync(join(tmpdir(), 'rbm-resume-full-'));
    try {
      const [disk, outside] = [join(root, 'disk'), join(root, 'base')];
      mkdirSync(disk);
      writeFileSync(outside, 'base');
      const program = join(packageDir, 'test', 'store', 'full-disk-program.ts');
      const node = [process.execPath, '--import', 'tsx', program, disk, outside];
      // The mount is seen in the namespace alone and goes with it.
      const lines = execFileSync('unshare', ['--user', '--map-root-user', '--mount', ...node], {
        cwd: packageDir,
      })
        .toString()
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Record<string, unknown>);
      assert.deepEqual(lines.pop(), { taken: 'copied', isThere: true });
      const last = lines.pop();
      assert.deepEqual([last?.outcome, last?.names], ['saved', ['first', 'second']]);
      const named = lines.filter(({ outcome }) => outcome === 'STORE_WRITE_FAILED ENOSPC');
      assert.ok(named.length >= 3, 'the store itself hardly ever met a full disk');
      for (const line of lines) {
        const { pages, outcome } = line;
        assert.deepEqual(line, {
          pages,
          outcome,
          isUnchanged: true,
          names: ['first'],
          unreferenced: [],
          collected: 'saved',
        });
      }
    } finally {
      rmSync(root, { recursive: true });
    }
  });
});
