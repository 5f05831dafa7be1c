import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { parseProjectHash, sha256Hex } from '../../lib/digest.js';
import { removeTree } from '../../lib/rootfs/move-tree.js';
import { packageDir } from '../rbm/workspace.js';
import { TestRegistry } from '../registry/registry.js';
import { startSmallBuild } from '../snapshot/small-build.js';

const hash = parseProjectHash(sha256Hex('registry verbs'));
const short = hash.slice(0, 16);

describe('push and pull', { timeout: 120_000 }, () => {
  let work: string;
  let registry: TestRegistry;
  before(async () => {
    work = mkdtempSync(join(tmpdir(), 'rbm-resume-verbs-'));
    registry = await TestRegistry.start();
    await (await startSmallBuild(work)).saveLeg(join(work, 'store'), { hash });
  });
  after(async () => {
    await registry.stop();
    await removeTree(work);
  });
  const run = (store: string, ...args: string[]) => {
    const argv = [join(packageDir, 'dist/cli/main.js'), '--store', join(work, store), ...args];
    return spawnSync(process.execPath, [...argv, '--tls-verify', 'false'], { encoding: 'utf8', cwd: work });
  };

  it('say what they have moved, and with --json as data', () => {
    const pushed = run('store', 'push', registry.url);
    assert.deepEqual([pushed.status, pushed.stdout], [0, `pushed ${short}@1 (small) as local-${hash}\n`]);
    const again = run('store', 'push', registry.url, short, '--json');
    const report = JSON.parse(again.stdout) as { pushed: Record<string, unknown>[] };
    assert.deepEqual(
      report.pushed.map(({ how, tag }) => [how, tag]),
      [['already-there', `local-${hash}`]],
    );
    const pulled = run('other', 'pull', registry.url, short);
    assert.match(pulled.stdout, new RegExp(`^pulled ${short}@1 \\(small\\), \\d+ KiB\n$`), pulled.stderr);
  });

  it('end with 0 where there is nothing, and name what can not be', () => {
    const none = run('empty', 'pull', registry.url, hash, '--class', 'branch');
    assert.deepEqual([none.status, none.stdout], [0, `nothing under branch-${hash}\n`]);
    const unknown = run('empty', 'pull', registry.url, 'abcd');
    assert.equal(unknown.status, 66, unknown.stderr);
    const gone = run('store', 'push', 'oci://127.0.0.1:1/x');
    assert.equal(gone.status, 74);
    assert.match(gone.stderr, /REMOTE_FAILED/);
    const all = run('empty', 'pull', registry.url, '--all', '--json');
    const { pulled: tags } = JSON.parse(all.stdout) as { pulled: { tags: Record<string, unknown>[] }[] };
    assert.deepEqual(
      tags.map((one) => one.tags.map(({ tag, how }) => [tag, how])),
      [[[`local-${hash}`, 'taken']]],
    );
  });
});
