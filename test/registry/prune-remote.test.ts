import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { parseProjectHash, sha256Hex } from '../../lib/digest.js';
import { forgetRemote } from '../../lib/registry/forget.js';
import { pruneRemote } from '../../lib/registry/prune-remote.js';
import { pushSnapshot } from '../../lib/registry/push.js';
import { companionTagOf, tagOf } from '../../lib/registry/remote.js';
import { removeTree } from '../../lib/rootfs/move-tree.js';
import type { Snapshot } from '../../lib/snapshot/snapshot.js';
import { NO_POLICY } from '../../lib/trust/judge.js';
import { packageDir } from '../rbm/workspace.js';
import { startSmallBuild } from '../snapshot/small-build.js';
import { TestRegistry } from './registry.js';

const hash = parseProjectHash(sha256Hex('prune'));
const tag = tagOf(hash, null);
const DAY_MS = 86_400_000;

describe('what nobody goes on in any more', { timeout: 240_000 }, () => {
  let work: string;
  let registry: TestRegistry;
  let saved: [Snapshot, Snapshot];
  const store = () => join(work, 'store');
  const push = (name: string, options = {}) =>
    pushSnapshot(store(), name, { remote: registry.remote, ...options });
  /** As other tools name what is there. */
  const alsoAs = (of: string, to: string) =>
    registry.skopeo(
      ...['copy', '-q', '--src-tls-verify=false', '--dest-tls-verify=false'],
      ...[registry.docker(of), registry.docker(to)],
    );
  before(async () => {
    work = mkdtempSync(join(tmpdir(), 'rbm-resume-prune-remote-'));
    registry = await TestRegistry.start();
    const build = await startSmallBuild(work);
    const first = await build.saveLeg(store(), { hash });
    saved = [first, await build.saveLeg(store(), { hash, parent: first.digest })];
  });
  after(async () => {
    await registry.stop();
    await removeTree(work);
  });

  it('goes when its tag has got a newer one, but not while it may be about to be named', async () => {
    await push(`${hash}@1`);
    await push(`${hash}@2`);
    const { remote } = registry;
    const one = saved[0].digest;
    assert.deepEqual(await pruneRemote(remote), []);
    const tomorrow = new Date(Date.now() + 1.5 * DAY_MS);
    const would = await pruneRemote(remote, { now: tomorrow, isDryRun: true });
    assert.deepEqual(
      would.map(({ why, digest }) => [why, digest]),
      [['superseded', one]],
    );
    assert.equal(registry.tags().length, 3);
    assert.deepEqual(await pruneRemote(remote, { now: tomorrow }), would);
    assert.deepEqual(registry.tags().sort(), [tag, companionTagOf(saved[1].digest)].sort());
    assert.throws(() => registry.rawManifest(`x@${one}`));
  });

  it('goes when it is older than so many days; what others have named stays', async () => {
    alsoAs(tag, 'keep-me');
    const old = { keepDays: 5 };
    assert.deepEqual(await pruneRemote(registry.remote, old), []);
    registry.skopeo('delete', '--tls-verify=false', registry.docker('keep-me'));
    await push(`${hash}@2`);
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [
        ...[join(packageDir, 'dist/cli/main.js'), 'prune', '--remote', registry.url, '--keep-days', '5'],
        ...['--tls-verify', 'false'],
      ],
      { encoding: 'utf8' },
    );
    assert.equal(status, 0, stderr);
    assert.match(stdout, /^removed snapshot of [0-9a-f]{16} \(no class\): sha256:/);
    assert.deepEqual(registry.tags(), []);
  });

  it('goes with the success of its build, unless another class goes on in the same', async () => {
    const { remote } = registry;
    await push(hash);
    const pr = { ...NO_POLICY, jobClass: 'pr/7' } as const;
    await push(hash, { trust: pr });
    assert.equal(await forgetRemote(remote, { hash, jobClass: 'branch' }), 'nothing');
    assert.equal(await forgetRemote(remote, { hash, jobClass: null }), 'shared');
    assert.equal(registry.tags().length, 3);
    registry.skopeo('delete', '--tls-verify=false', registry.docker(tag));
    await push(hash, { trust: pr });
    assert.equal(await forgetRemote(remote, { hash, jobClass: 'pr/7' }), 'removed');
    assert.deepEqual(registry.tags(), []);
  });

  it('stays, with an error, where the registry lets nobody remove anything', async () => {
    const strict = await TestRegistry.start({ mayDelete: false });
    try {
      await pushSnapshot(store(), hash, { remote: strict.remote });
      await assert.rejects(forgetRemote(strict.remote, { hash, jobClass: null }), {
        code: 'REMOTE_FAILED',
        message:
          /cannot remove sha256:[0-9a-f]{64} from oci:.*(405|[Uu]nsupported|not supported|UNSUPPORTED)/,
      });
      assert.equal(strict.tags().length, 2);
    } finally {
      await strict.stop();
    }
  });
});
