import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { parseProjectHash, sha256Hex } from '../../lib/digest.js';
import { askRegistry } from '../../lib/container/ask-registry.js';
import { RunDirectory } from '../../lib/container/run-directory.js';
import { pullForBuild } from '../../lib/registry/for-build.js';
import { pullSnapshot } from '../../lib/registry/pull.js';
import { pushSnapshot } from '../../lib/registry/push.js';
import { parseRemote, tagOf, type Remote } from '../../lib/registry/remote.js';
import { removeTree } from '../../lib/rootfs/move-tree.js';
import { openStore } from '../../lib/snapshot/open-store.js';
import type { Snapshot } from '../../lib/snapshot/snapshot.js';
import { storePaths } from '../../lib/store/paths.js';
import { startSmallBuild } from '../snapshot/small-build.js';
import { dataOf } from '../snapshot/refused-import.js';
import { startProxy, type CuttingProxy } from './cutting-proxy.js';
import { TestRegistry } from './registry.js';

const hash = parseProjectHash(sha256Hex('faults'));
const tag = tagOf(hash, null);
const failed = (message: RegExp) => ({ code: 'REMOTE_FAILED', message });

describe('a registry that fails', { timeout: 240_000 }, () => {
  let work: string;
  let saved: Snapshot;
  const store = () => join(work, 'store');
  const registries: TestRegistry[] = [];
  const proxies: CuttingProxy[] = [];
  const start = async (options: Parameters<typeof TestRegistry.start>[0] = {}) => {
    const registry = await TestRegistry.start(options);
    registries.push(registry);
    return registry;
  };
  const behind = async (
    ...args: Parameters<typeof startProxy>
  ): Promise<CuttingProxy & { remote: Remote }> => {
    const proxy = await startProxy(...args);
    proxies.push(proxy);
    const remote = parseRemote(`oci://127.0.0.1:${proxy.port}/builds/snapshots`, { tlsVerify: false });
    return { ...proxy, remote };
  };
  const push = (remote: Remote, stallMs?: number) => pushSnapshot(store(), hash, { remote, stallMs });
  const newStore = () => join(mkdtempSync(join(work, 'other-')), 'store');

  before(async () => {
    work = mkdtempSync(join(tmpdir(), 'rbm-resume-faults-'));
    saved = await (await startSmallBuild(work)).saveLeg(store(), { hash });
  });
  afterEach(async () => {
    for (const proxy of proxies.splice(0)) await proxy.close();
    for (const registry of registries.splice(0)) await registry.stop();
    assert.deepEqual(stagingOf(store()), []);
  });
  after(() => removeTree(work));

  it('that is cut off in the middle of a push has no tag; the next push goes through', async () => {
    const registry = await start();
    const proxy = await behind(registry.port, { direction: 'up', after: 150_000 });
    // Then skopeo's own words, which are others each time: EOF, reset, broken pipe, use of closed network connection.
    await assert.rejects(push(proxy.remote), failed(/cannot push to oci:\S+: \S/));
    assert.ok(!registry.tags().includes(tag));
    proxy.heal();
    assert.equal((await push(proxy.remote)).how, 'pushed');
    assert.equal(`sha256:${sha256Hex(registry.rawManifest(tag))}`, saved.digest);
  });

  it('that is killed in the middle of a push fails it', async () => {
    const registry = await start();
    const how = () => registry.process.kill('SIGKILL');
    const { remote } = await behind(registry.port, { direction: 'up', after: 150_000, how });
    await assert.rejects(push(remote), failed(/cannot push to/));
    assert.equal(registry.process.signalCode, 'SIGKILL');
    assert.equal((await openStore(store()).open(hash)).digest, saved.digest);
  });

  it('that is cut off, or killed, in the middle of a pull leaves the store as it was', async () => {
    const registry = await start();
    await push(registry.remote);
    const to = newStore();
    const cut = await behind(registry.port, { direction: 'down', after: 150_000 });
    await assert.rejects(pullSnapshot(to, hash, { remote: cut.remote }), failed(/cannot pull from/));
    assertEmpty(to);
    cut.heal();
    assert.equal((await pullSnapshot(to, hash, { remote: cut.remote })).tags[0]?.how, 'taken');
    assert.equal((await openStore(to).open(hash)).digest, saved.digest);

    const how = () => registry.process.kill('SIGKILL');
    const killed = await behind(registry.port, { direction: 'down', after: 150_000, how });
    const other = newStore();
    const { notes } = await pullForBuild(other, hash, { remote: killed.remote });
    assert.equal(notes.length, 1);
    assert.match(String(notes[0]), /^nothing was pulled, and the build goes on without: cannot pull from/);
    assertEmpty(other);
  });

  it('that stands still is given up', async () => {
    const registry = await start();
    const how = () => registry.process.kill('SIGSTOP');
    const { remote } = await behind(registry.port, { direction: 'up', after: 150_000, how });
    await assert.rejects(push(remote, 1_500), failed(/hardly anything has moved for 2 s/));
    registry.process.kill('SIGCONT');
    assert.ok(!registry.tags().includes(tag));
  });

  it('that stands still while a build asks is left when the run is interrupted', async () => {
    const registry = await start();
    const run = await RunDirectory.make();
    const to = newStore();
    const live = storePaths(to).live('container');
    mkdirSync(live.dir, { recursive: true });
    registry.process.kill('SIGSTOP');
    try {
      const options = { store: to, remote: registry.remote, run };
      const asked = askRegistry(options, live, hash);
      await run.askForInterrupt();
      assert.match((await asked).join('\n'), /^nothing was pulled, and [^\n]*: the run was interrupted$/);
    } finally {
      registry.process.kill('SIGCONT');
      await run.remove();
    }
  });

  it('lets nobody in whose credentials are wrong', async () => {
    const registry = await start({ htpasswd });
    const authFile = (password: string) => {
      const file = join(work, `auth-${password}.json`);
      const auth = Buffer.from(`me:${password}`).toString('base64');
      writeFileSync(file, JSON.stringify({ auths: { [`127.0.0.1:${registry.port}`]: { auth } } }));
      return file;
    };
    const as = (password: string) =>
      parseRemote(registry.url, { tlsVerify: false, authFile: authFile(password) });
    await assert.rejects(push(as('wrong')), (error: Error & { hint?: string }) => {
      assert.match(error.message, /cannot ask oci:.*(authentication required|unauthorized|invalid username)/);
      assert.match(String(error.hint), /skopeo login/);
      assert.doesNotMatch(error.message, /wrong/);
      return true;
    });
    assert.equal((await push(as('secret'))).how, 'pushed');
    const { notes } = await pullForBuild(newStore(), hash, { remote: as('wrong') });
    assert.match(notes.join('\n'), /^nothing was pulled, and the build goes on without: [^\n]*$/);
    assert.equal((await pullSnapshot(newStore(), hash, { remote: as('secret') })).tags[0]?.how, 'taken');
  });

  it('whose disk is full takes nothing, and has what it had', { skip: skipWithoutRoot() }, async () => {
    const storage = join(work, 'small-disk');
    mkdirSync(storage);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', storage]);
    try {
      const registry = await start({ storage });
      await assert.rejects(push(registry.remote), failed(/cannot push to /));
      assert.ok(!registry.tags().includes(tag));
      execFileSync('mount', ['-o', 'remount,size=4m', storage]);
      assert.equal((await push(registry.remote)).how, 'pushed');
      await registry.stop();
      registries.splice(0);
    } finally {
      execFileSync('umount', [storage]);
    }
  });

  it('is none where nobody listens, and where skopeo is missing', async () => {
    const remote = parseRemote('oci://127.0.0.1:1/x', { tlsVerify: false });
    const { notes } = await pullForBuild(newStore(), hash, { remote });
    assert.match(notes.join('\n'), /^nothing was pulled, and [^\n]*connection refused$/);
    const { PATH } = process.env;
    process.env.PATH = work;
    try {
      await assert.rejects(push(remote), { code: 'COMMAND_NOT_FOUND', message: /skopeo was not found/ });
      const missing = await pullForBuild(newStore(), hash, { remote });
      assert.match(
        missing.notes.join('\n'),
        /^nothing was pulled, and [^\n]*the program skopeo was not found$/,
      );
    } finally {
      process.env.PATH = PATH;
    }
  });

  it('that has nothing is no failure', async () => {
    const registry = await start();
    const asked = await pullForBuild(newStore(), hash, { remote: registry.remote });
    assert.deepEqual(asked, { notes: [`${registry.url} has nothing under ${tag}`], mayHold: false });
  });

  it('that was pushed to by two jobs at once has one of the two, whole, and both know which', async () => {
    const registry = await start();
    const stores = [newStore(), newStore()];
    const others = await Promise.all(
      stores.map(async (one) => (await startSmallBuild(join(one, '..'))).saveLeg(one, { hash })),
    );
    const pushed = await Promise.all(
      stores.map((one) => pushSnapshot(one, hash, { remote: registry.remote })),
    );
    const named = `sha256:${sha256Hex(registry.rawManifest(tag))}`;
    const [winner] = others.filter(({ digest }) => digest === named);
    assert.ok(winner, 'the tag names none of both');
    pushed.forEach(({ how, remoteDigest }, at) => {
      // One may have been overtaken after it had looked.
      if (how === 'overtaken') assert.equal(remoteDigest, named);
      else assert.equal(remoteDigest, others[at]?.digest);
    });
    assert.ok(pushed.some(({ remoteDigest }) => remoteDigest === named));
    const to = newStore();
    assert.equal((await pullSnapshot(to, hash, { remote: registry.remote })).tags[0]?.how, 'taken');
    assert.equal((await openStore(to).open(hash)).digest, named);
  });
});

/** `me` and `secret`, by crypt(3). */
const htpasswd = 'me:$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a';

function skipWithoutRoot(): string | false {
  if (process.getuid?.() === 0) return false;
  process.stderr.write('# NOT TESTED: a registry whose disk is full, since only root may mount one\n');
  return 'only root may mount a file system';
}

function stagingOf(store: string): string[] {
  const { stagingRoot } = storePaths(store);
  return existsSync(stagingRoot) ? readdirSync(stagingRoot) : [];
}

/** A pull that failed leaves nothing that a copy of the store would take along. */
function assertEmpty(store: string): void {
  assert.deepEqual(existsSync(store) ? dataOf(store).filter((file) => file.startsWith('blobs')) : [], []);
  assert.deepEqual(stagingOf(store), []);
}
