import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { makeHeldFolder, sweepHeldFolders } from '../../lib/store/held-folder.js';

let root: string;
before(() => {
  root = mkdtempSync(join(tmpdir(), 'rbm-resume-held-'));
});
after(() => rmSync(root, { recursive: true }));

describe('a folder that is held', () => {
  it('stays while its maker lives, and goes when that was killed', async () => {
    const stem = join(root, 'tree.restoring-');
    const dead = `${stem}0123456789abcdef`;
    mkdirSync(join(dead, 'deep'), { recursive: true });
    writeFileSync(join(dead, 'deep', 'file'), '');
    const holder = spawn('flock', [dead, 'sh', '-c', 'echo held; exec sleep 600'], {
      detached: true,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    await once(holder.stdout, 'data');
    const mine = await makeHeldFolder(stem);
    assert.deepEqual(readdirSync(root).sort(), [basename(dead), basename(mine.path)].sort());
    process.kill(-Number(holder.pid), 'SIGKILL');
    await once(holder, 'close');
    await sweepHeldFolders(stem);
    assert.deepEqual(readdirSync(root), [basename(mine.path)]);
    await mine.release();
    await sweepHeldFolders(stem);
    assert.deepEqual(readdirSync(root), []);
  });

  it('is no other that is named nearly so', async () => {
    const others = ['tree', 'tree.restoring', 'tree.restoring-by-hand', 'wood.restoring-0123456789abcdef'];
    for (const name of others) mkdirSync(join(root, name));
    symlinkSync('tree', join(root, 'tree.restoring-0123456789abcdef'));
    writeFileSync(join(root, 'tree.restoring-fedcba9876543210'), '');
    const before = readdirSync(root);
    await sweepHeldFolders(join(root, 'tree.restoring-'));
    assert.deepEqual(readdirSync(root), before);
  });
});
