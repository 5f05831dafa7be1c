import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, it } from 'node:test';
import { fingerprintInputs } from '../../lib/container/inputs.js';
import { createContainer } from '../../lib/container/on-create.js';
import { exitContainer } from '../../lib/container/on-exit.js';
import { parseBuildDescription, projectHash } from '../../lib/project-hash.js';
import { removeTree } from '../../lib/rootfs/move-tree.js';
import { openStore } from '../../lib/snapshot/open-store.js';
import type { Snapshot } from '../../lib/snapshot/snapshot.js';
import { failedTries, givenUp } from '../../lib/store/ledger.js';
import { storePaths, type StorePaths } from '../../lib/store/paths.js';
import { readLiveRecord } from '../../lib/store/record.js';
import { isJobClass, type JobClass } from '../../lib/trust/job-class.js';
import type { Trust } from '../../lib/trust/judge.js';
import { loadTrustOrNone } from '../../lib/trust/load-trust.js';
import { makeSmall, recordOf, root, type Small } from '../snapshot/small-snapshots.js';
import { folder, makeSigner, writePolicy } from '../trust/signers.js';

const description = JSON.stringify({
  ...{ format: 1, project: 'hello', step: 'build', targets: [], version: '1.2', filename: 'hello.tar' },
  ...{ architecture: 'x86_64', source: null, container_image: [], input_files: [] },
  scripts: { build: 'true' },
  container: { user: 'rbm', offline: [], templates: {}, remote_mktemp: null },
});
const HASH = projectHash(parseBuildDescription(description));
const [ci, stranger] = [makeSigner('ci'), makeSigner('stranger')];
const policy = {
  format: 1,
  keys: [{ name: 'ci', public_key: ci.publicPem, classes: ['pr', 'branch', 'protected', 'release'] }],
  accept: { pr: ['pr', 'branch'] },
};

describe('the start of a container where a policy judges what the store has', { timeout: 240_000 }, () => {
  let small: Small;
  let paths: StorePaths;
  let container: string;
  let inputsDir: string;

  beforeEach(async () => {
    small = await makeSmall();
    paths = storePaths(small.store);
    const work = mkdtempSync(join(root, 'resume-'));
    [inputsDir, container] = [join(work, 'inputs'), join(work, 'containers', 'one')];
    mkdirSync(inputsDir);
    mkdirSync(join(work, 'containers'));
  });

  const trustOf = (jobClass: string | null, file = writePolicy(policy)): Promise<Trust> =>
    loadTrustOrNone({ policy: file, jobClass, store: small.store });

  async function save(jobClass: JobClass, signer = ci): Promise<Snapshot> {
    await small.change('date +%N > etc/made');
    const inputs = await fingerprintInputs(inputsDir, { project: 'hello', version: '1.2', step: 'build' });
    const record = {
      ...{ ...recordOf(HASH), hash: HASH, inputs, targets: [] },
      ...{ filename: 'hello.tar', expectedScripts: ['build'] },
    };
    return small.save({ record, signing: { key: signer.key, jobClass } });
  }

  async function create(trust: Trust): Promise<{ readonly how: string; readonly told: string }> {
    const { how, notes } = await createContainer({
      ...{ container, store: small.store, description, mode: 'rerun', ownerPid: process.pid },
      ...{ project: 'hello', workspace: null, inputsDir, keepFailed: false, run: null, trust },
      startClean: () => {
        mkdirSync(join(container, 'clean'), { recursive: true });
        return Promise.resolve(0);
      },
    });
    return { how, told: notes.join('\n') };
  }

  /** Ends the build as one that has failed, succeeded or was interrupted. */
  async function end(trust: Trust, how: 'failed' | 'succeeded' | 'interrupted'): Promise<string> {
    const live = paths.live('one');
    writeFileSync(live.tmpFoldersGiven, '0\n');
    writeFileSync(live.tmpFolders, '');
    const ends = { failed: 'build 1', succeeded: 'build 0\nget 0', interrupted: 'build interrupted' };
    writeFileSync(live.scripts, `${ends[how]}\n`);
    if (how === 'interrupted') writeFileSync(live.interrupt, '');
    const { notes } = await exitContainer({ container, store: small.store, run: null, trust });
    assert.ok(!existsSync(container));
    return notes.join('\n');
  }
  async function clean(trust: Trust): Promise<string> {
    const { how, told } = await create(trust);
    assert.equal(how, 'clean', told);
    await removeTree(container);
    return told;
  }
  const generations = async () => (await openStore(small.store).list()).map(({ generation }) => generation);
  const quarantined = () => (existsSync(paths.quarantineRoot) ? readdirSync(paths.quarantineRoot) : []);

  it('goes on in the newest that the job may use, and leaves the others where they are', async () => {
    await save('branch');
    await save('protected', stranger);
    const { how, told } = await create(await trustOf('branch'));
    assert.equal(how, 'resumed', told);
    assert.match(told, /^the snapshot \w{64}@2 is not used: it was signed by nobody whom the policy knows\n/);
    assert.match(told, /\(generation 1\)/);
    assert.deepEqual([await generations(), quarantined()], [[1, 2], []]);
    await removeTree(container);
    const other = await clean(await trustOf('protected'));
    assert.match(other, /@1 is not used: it was made by a job of class branch, and this one is protected/);
    assert.match(other, /\nthe build starts clean$/);
    assert.equal((await create(await trustOf('pr/3'))).how, 'resumed');
    assert.deepEqual([await generations(), quarantined()], [[1, 2], []]);
  });

  it('starts clean, with one line, where the policy or the class can not be read', async () => {
    await save('branch');
    const bad = join(folder, 'bad.yml');
    writeFileSync(bad, 'format: 1\nkeys: none\n');
    for (const [file, jobClass, why] of [
      [bad, 'branch', /bad\.yml: keys: /],
      [join(folder, 'missing.yml'), 'branch', /missing\.yml/],
      [writePolicy(policy), 'everybody', /not a class of job: "everybody"/],
      [writePolicy(policy), null, /nobody says of which class/],
    ] as const) {
      const told = await clean(await trustOf(jobClass, file));
      assert.match(told, /^no snapshot is used, and the build starts clean: .*$/);
      assert.match(told, why);
    }
    assert.deepEqual([await generations(), quarantined()], [[1], []]);
  });

  it('never uses up the tries of another class, and tries what is new', async () => {
    await save('branch');
    const [pr, branch] = [await trustOf('pr/1'), await trustOf('branch')];
    for (const tries of [1, 2]) {
      assert.equal((await create(pr)).how, 'resumed');
      assert.match(await end(pr, 'failed'), new RegExp(`failed try ${tries} of 2`));
    }
    assert.match(
      await clean(pr),
      /@1 is no more used by jobs of class pr\/1: 2 builds .* have failed\nthe build/,
    );
    assert.match(await clean(pr), /@1 is not used: builds that were resumed from it have failed\nthe build/);
    assert.deepEqual([await generations(), quarantined()], [[1], []]);
    assert.deepEqual([await failedTries(paths, HASH, 'branch'), await failedTries(paths, HASH)], [0, 0]);
    assert.equal((await givenUp(paths, HASH, 'pr/1')).size, 1);
    assert.ok(existsSync(join(paths.ledgersRoot, 'pr%2F1.json')));
    assert.equal((await create(branch)).how, 'resumed');
    await removeTree(container);
    await save('pr/1');
    assert.match((await create(pr)).told, /\(generation 2\)/);
  });

  it('drops after a success what its own class has made, and nothing else', async () => {
    await save('branch');
    await save('pr/1');
    const pr = await trustOf('pr/1');
    assert.equal((await create(pr)).how, 'resumed');
    await end(pr, 'succeeded');
    assert.deepEqual(await generations(), [1]);
  });

  it('begins a release clean beside what is parked and packed, unless releases resume', async () => {
    await save('release');
    const branch = await trustOf('branch');
    assert.equal((await create(branch)).how, 'clean');
    assert.match(await end(branch, 'interrupted'), /its root filesystem is kept/);
    const parked = readdirSync(paths.parkedRoot);
    assert.deepEqual(parked, [HASH]);
    for (const trust of [
      await trustOf('release'),
      { policy: null, jobClass: 'release', trouble: null } as const,
    ]) {
      assert.match(await clean(trust), /^a release goes on in nothing, .*: the build starts clean$/);
      assert.deepEqual(readdirSync(paths.parkedRoot), parked);
    }
    const resuming = await trustOf('release', writePolicy({ ...policy, release: { resume: true } }));
    // Not in what the branch has parked; what a release has parked itself is another thing.
    const { told } = await create(resuming);
    assert.match(told, /it was parked by a job of class branch, and this one is of class release/);
    assert.match(told, /goes on in the snapshot of/);
    assert.match(await end(resuming, 'interrupted'), /its root filesystem is kept/);
    assert.match((await create(resuming)).told, /goes on in the root filesystem kept at/);
    assert.ok(isJobClass(String((await readLiveRecord(paths.live('one').record)).jobClass)));
  });
});
