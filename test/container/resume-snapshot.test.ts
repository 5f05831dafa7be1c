/* eslint max-lines: off -- one table of cases over one setup */
import assert from 'node:assert/strict';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, it } from 'node:test';
import { assertEqualTrees, expectRestored } from '../../fixtures/trees/compare-trees.js';
import { describeTree } from '../../fixtures/trees/describe-tree.js';
import { fingerprintInputs } from '../../lib/container/inputs.js';
import { createContainer, type CreateResult } from '../../lib/container/on-create.js';
import { exitContainer } from '../../lib/container/on-exit.js';
import { park } from '../../lib/container/park.js';
import { hexOf, type ProjectHash } from '../../lib/digest.js';
import { readIdMap, type IdMap } from '../../lib/id-map.js';
import { parseBuildDescription, projectHash } from '../../lib/project-hash.js';
import { ANNOTATION } from '../../lib/snapshot/annotations.js';
import { commitImage } from '../../lib/snapshot/image.js';
import { openStore } from '../../lib/snapshot/open-store.js';
import { repairStore } from '../../lib/snapshot/repair.js';
import type { Snapshot } from '../../lib/snapshot/snapshot.js';
import { chargeFailedTry, failedTries } from '../../lib/store/ledger.js';
import { storePaths, type StorePaths } from '../../lib/store/paths.js';
import { readLiveRecord, type SnapshotRecord } from '../../lib/store/record.js';
import { withStaging } from '../../lib/store/staging.js';
import { editSealed } from '../store/sealed-files.js';
import { flipByte, makeSmall, recordOf, root, type Small } from '../snapshot/small-snapshots.js';

const description = JSON.stringify({
  ...{ format: 1, project: 'hello', step: 'build', targets: [], version: '1.2', filename: 'hello.tar' },
  ...{ architecture: 'x86_64', source: null, container_image: [], input_files: [] },
  scripts: { pre: 'true', build: 'true' },
  container: { user: 'rbm', offline: [], templates: {}, remote_mktemp: null },
});
const HASH: ProjectHash = projectHash(parseBuildDescription(description));
/** Of another user. */
const shifted = ({ uids, ...rest }: IdMap): IdMap => ({
  ...rest,
  uids: { ...uids, first: uids.first + 65_536 },
});
const IMAGE = 'container-image_small.tar.zst';

describe(
  'the start of a container where nothing is parked and the store has snapshots',
  { timeout: 240_000 },
  () => {
    let small: Small;
    let paths: StorePaths;
    let work: string;
    let inputsDir: string;
    let container: string;
    let saved: Snapshot[];
    /** Whether a file is in the way of the container. */
    let isBlocked: boolean;

    beforeEach(async () => {
      small = await makeSmall();
      paths = storePaths(small.store);
      work = mkdtempSync(join(root, 'resume-'));
      [inputsDir, container] = [join(work, 'inputs'), join(work, 'containers', 'one')];
      mkdirSync(inputsDir);
      mkdirSync(join(work, 'containers'));
      writeFileSync(join(inputsDir, 'source'), 'as it was');
      copyFileSync(small.base, join(inputsDir, IMAGE));
      [saved, isBlocked] = [[], false];
    });

    async function save(more: Partial<SnapshotRecord> = {}, options = {}): Promise<Snapshot> {
      await small.change(
        `echo leg ${saved.length} > etc/made; rm -f etc/other; ln -f etc/base etc/second; chown 7:8 etc/made`,
      );
      const inputs = await fingerprintInputs(inputsDir, { project: 'hello', version: '1.2', step: 'build' });
      const record = {
        ...recordOf(HASH),
        ...{ targets: [], filename: 'hello.tar', expectedScripts: ['pre', 'build'] },
        ...{ hash: HASH, inputs, tmpFolders: ['/etc', '/usr/bin'], endedScripts: ['pre'], ...more },
      };
      const snapshot = await small.save({ record, ...options });
      saved.push(snapshot);
      return snapshot;
    }
    const create = async (): Promise<CreateResult & { readonly told: string }> => {
      const result = await createContainer({
        ...{ container, store: small.store, description, mode: 'rerun', ownerPid: process.pid },
        ...{ project: 'hello', workspace: null, inputsDir, keepFailed: false, run: null },
        startClean: () => {
          assert.ok(isBlocked || !existsSync(container), 'a clean start finds something in its place');
          rmSync(container, { force: true });
          mkdirSync(join(container, 'clean'), { recursive: true });
          return Promise.resolve(0);
        },
      });
      return { ...result, told: result.notes.join('\n') };
    };
    const live = () => paths.live('one');
    const generations = async () =>
      (await openStore(small.store).list())
        .filter(({ hash }) => hash === HASH)
        .map(({ generation }) => generation);
    const quarantined = (): string[] =>
      existsSync(paths.quarantineRoot) ? readdirSync(paths.quarantineRoot).sort() : [];
    const layerFile = (snapshot: Snapshot, number: number) =>
      join(paths.blobs, hexOf(snapshot.layers[number]!.descriptor.digest));
    /** What must be true of every start: one container and nothing beside it. */
    const assertTidy = () => {
      assert.deepEqual(readdirSync(join(work, 'containers')), ['one']);
    };
    async function assertClean(): Promise<string> {
      const { how, told } = await create();
      assert.equal(how, 'clean', told);
      assert.deepEqual(readdirSync(container), ['clean']);
      assertTidy();
      const record = await readLiveRecord(live().record);
      assert.deepEqual([record.resumed, record.snapshot, record.legs], [false, null, []]);
      assert.ok(!existsSync(live().resumed) && !existsSync(live().tmpFolders) && !existsSync(live().scripts));
      return told;
    }
    async function assertResumed(from: Snapshot): Promise<string> {
      const { how, told } = await create();
      assert.equal(how, 'resumed', told);
      assertTidy();
      const { resumed, snapshot, legs, baseline, image } = await readLiveRecord(live().record);
      const { digest, generation } = from;
      assert.deepEqual([resumed, snapshot, image], [true, { digest, generation }, null]);
      assert.deepEqual([legs.length, baseline === null], [1, false]);
      return told;
    }

    it('goes on in the newest, with the very tree, its folders and ended scripts, and does not use it up', async () => {
      await save();
      const newest = await save();
      const told = await assertResumed(newest);
      assert.match(
        told,
        /hello goes on in the snapshot of 2026-01-02T03:04:05.000Z \(generation 2\), after 1 leg/,
      );
      assertEqualTrees(await describeTree(container), expectRestored(await describeTree(small.rootfs)));
      assert.equal(readFileSync(live().tmpFolders, 'utf8'), '/etc\n/usr/bin\n');
      assert.equal(readFileSync(live().scripts, 'utf8'), 'pre 0\n');
      assert.deepEqual(await generations(), [1, 2]);
      assert.deepEqual([quarantined(), readdirSync(paths.stagingRoot)], [[], []]);
    });

    it('quarantines the newest when it is damaged, and goes on in the one before', async () => {
      const first = await save();
      const newest = await save();
      flipByte(layerFile(newest, 2));
      const told = await assertResumed(first);
      assert.match(told, new RegExp(`the snapshot ${HASH}@2 can't be used: .*\\nit is taken out of use\\n`));
      assert.match(told, /\(generation 1\)/);
      assert.equal(readFileSync(join(container, 'etc', 'made'), 'utf8'), 'leg 0\n');
      const name = `${HASH}@2-${newest.digest.slice(7, 23)}.json`;
      assert.deepEqual([await generations(), quarantined()], [[1], [name]]);
      const note = JSON.parse(readFileSync(join(paths.quarantineRoot, name), 'utf8')) as object;
      assert.match(JSON.stringify(note), new RegExp(newest.digest));
    });

    it('starts clean when each of them is damaged, one way or another', async () => {
      const first = await save();
      const newest = await save();
      flipByte(layerFile(newest, 2));
      rmSync(layerFile(first, 1));
      const told = await assertClean();
      for (const generation of [1, 2])
        assert.match(told, new RegExp(`${HASH}@${generation} can't be used: `));
      assert.match(told, /the build starts clean$/);
      assert.deepEqual([await generations(), quarantined().length], [[], 2]);
      rmSync(container, { recursive: true });
      assert.equal(await assertClean(), '', 'nothing more is said the next time');
    });

    it('quarantines one whose manifest, config or listing is damaged', async () => {
      for (const digestIn of [
        (one: Snapshot) => one.digest,
        (one: Snapshot) => one.image.manifest.config.digest,
        (one: Snapshot) => one.layers.at(-1)!.listing!.digest,
      ]) {
        const one = await save();
        flipByte(join(paths.blobs, hexOf(digestIn(one))));
        assert.match(await assertClean(), /it is taken out of use\nthe build starts clean$/);
        assert.deepEqual(await generations(), []);
        rmSync(container, { recursive: true });
        small = await makeSmall();
        paths = storePaths(small.store);
      }
    });

    it('starts clean when the index of the store is damaged', async () => {
      await save();
      writeFileSync(paths.index, '{');
      assert.match(await assertClean(), /the build starts clean/);
    });

    it('starts clean when an input has another content, and keeps the snapshot', async () => {
      await save();
      writeFileSync(join(inputsDir, 'source'), 'otherwise');
      assert.match(
        await assertClean(),
        /is not used, and the build starts clean: the input file source has another/,
      );
      assert.deepEqual([await generations(), quarantined()], [[1], []]);
    });

    it('starts clean when an input is missing, is new, or nobody knows which there were', async () => {
      await save();
      renameSync(join(inputsDir, 'source'), join(inputsDir, 'renamed'));
      assert.match(await assertClean(), /starts clean: the input file (source|renamed)/);
      rmSync(container, { recursive: true });
      await save({ inputs: null });
      assert.match(await assertClean(), /it is not known of which input files it was made/);
      assert.deepEqual(await generations(), [1, 2]);
    });

    it('takes a snapshot out of use that lacks a temporary folder, or has something else there', async () => {
      for (const folder of ['/tmp/gone', '/etc/base']) {
        await save({ tmpFolders: ['/etc', folder] }, { parent: null, baseline: null });
        assert.match(await assertClean(), new RegExp(`the folder ${folder} in it is missing`));
        rmSync(container, { recursive: true });
        assert.deepEqual(await generations(), []);
      }
      // Both were the first of their hash, and a repair leaves both out.
      assert.equal(quarantined().length, 2);
      writeFileSync(paths.index, '');
      await repairStore(small.store);
      assert.deepEqual(await generations(), []);
    });

    it('takes a snapshot out of use whose record would do harm on the host, or is of another build', async () => {
      const [leg] = recordOf(HASH).legs;
      const harmful: [Partial<SnapshotRecord>, RegExp][] = [
        [{ tmpFolders: ['/etc', `/usr/bin; touch ${work}/pwned`] }, /is no path for a folder/],
        [{ tmpFolders: ['/etc', '/etc/../..'] }, /is no path for a folder/],
        [{ tmpFolders: ['etc'] }, /is no path for a folder/],
        [{ endedScripts: ['pre', 'build'] }, /has ended and that it was interrupted/],
        [{ endedScripts: ['pre 0\nbuild 0\nget'] }, /not the first ones/],
        [{ project: 'other' }, /project is "other", not "hello"/],
        [{ targets: ['nightly'] }, /targets is \["nightly"\], not \[\]/],
        [{ expectedScripts: ['pre'] }, /expectedScripts is/],
        [{ legs: [{ ...leg!, seconds: -1 }] }, /has no record of the build that can be read/],
        [{ legs: [{ ...leg!, place: 'in statement 2 of 3', division: 1 }] }, /that it does not hold/],
      ];
      for (const [more, said] of harmful) {
        await save(more, { parent: null, baseline: null });
        const told = await assertClean();
        assert.match(told, said);
        assert.match(told, /it is taken out of use\nthe build starts clean$/);
        assert.deepEqual(await generations(), []);
        rmSync(container, { recursive: true });
      }
      assert.deepEqual(readdirSync(work).sort(), ['containers', 'inputs']);
    });

    it('takes a snapshot out of use by whose tree the host would write elsewhere', async () => {
      await small.change('mkdir rbm; ln -s /etc/hostname rbm/cmd');
      await save();
      assert.match(await assertClean(), /\/rbm\/cmd in it is of a type by which .*\nit is taken out of use/);
      assert.deepEqual(
        [await generations(), quarantined()],
        [[], [`${HASH}@1-${saved[0]!.digest.slice(7, 23)}.json`]],
      );
    });

    it('takes the identical image of the build where the base was left out', async () => {
      const one = await save({}, { withoutBase: true });
      assert.ok(!existsSync(layerFile(one, 0)));
      await assertResumed(one);
      assertEqualTrees(await describeTree(container), expectRestored(await describeTree(small.rootfs)));
    });

    it('starts clean when the base was left out and the image is another, or there is none', async () => {
      await save({}, { withoutBase: true });
      writeFileSync(join(inputsDir, IMAGE), 'another image');
      assert.match(await assertClean(), /was stored without its base .*, and .* is another one/);
      rmSync(container, { recursive: true });
      rmSync(join(inputsDir, IMAGE));
      assert.match(await assertClean(), /was stored without its base .*, and there is none at hand/);
      assert.deepEqual([await generations(), quarantined()], [[1], []]);
    });

    it('takes all of them out of use once after two failed tries, and counts anew', async () => {
      await save();
      await save();
      await chargeFailedTry(paths, HASH);
      await chargeFailedTry(paths, HASH);
      const told = await assertClean();
      assert.equal([...told.matchAll(/is taken out of use: 2 builds/g)].length, 2, told);
      assert.deepEqual([await generations(), quarantined().length], [[], 2]);
      assert.equal(await failedTries(paths, HASH), 0);
      const next = await save({}, { parent: null, baseline: null });
      rmSync(container, { recursive: true });
      await assertResumed(next);
    });

    it('starts clean where there is no room, and keeps the snapshot', async () => {
      await small.change('truncate -s 8T huge');
      const one = await save();
      const layers = one.layers.map((layer) => ({
        ...{ diffId: layer.diffId, blobs: [], members: () => [] },
        descriptor: {
          ...layer.descriptor,
          size: 2 ** 42,
          annotations: { ...layer.descriptor.annotations, [ANNOTATION.diffSize]: '9'.repeat(15) },
        },
      }));
      // Small files are not believed to unpack to so much.
      for (const number of one.layers.keys()) truncateSync(layerFile(one, number), 2 ** 42);
      // Twice, since the newest two stay.
      for (let count = 0; count < 2; count += 1) {
        await withStaging(paths, (staging) => commitImage(paths, { staging, record: one.record, layers }));
      }
      const told = await assertClean();
      for (const generation of [2, 3])
        assert.match(
          told,
          new RegExp(`@${generation} can't be used: .* bytes are free, the snapshot needs `),
        );
      assert.deepEqual([await generations(), quarantined()], [[2, 3], []]);
    });

    it('is charged when it fails, and drops snapshots and blobs when it succeeds', async () => {
      await save();
      await save();
      await assertResumed(saved[1]!);
      writeFileSync(live().tmpFoldersGiven, '2\n');
      writeFileSync(live().scripts, 'pre 0\nbuild 2\n');
      const failed = await exitContainer({ container, store: small.store, run: null });
      assert.equal(failed.outcome, 'failed');
      assert.deepEqual([await failedTries(paths, HASH), await generations()], [1, [1, 2]]);
      await assertResumed(saved[1]!);
      writeFileSync(live().tmpFoldersGiven, '2\n');
      writeFileSync(live().scripts, 'pre 0\nbuild 0\nget 0\n');
      const { outcome } = await exitContainer({ container, store: small.store, run: null });
      assert.equal(outcome, 'succeeded');
      assert.deepEqual(
        [await failedTries(paths, HASH), await generations(), readdirSync(paths.blobs)],
        [0, [], []],
      );
      assert.ok(!existsSync(container));
    });

    async function parkTree(jobClass: string | null = null): Promise<void> {
      const { parkedAt, ...record } = {
        ...recordOf(HASH),
        ...{ targets: [], filename: 'hello.tar', expectedScripts: ['pre', 'build'] },
        tmpFolders: ['/etc'],
      };
      void parkedAt;
      const inputs = await fingerprintInputs(inputsDir, { project: 'hello', version: '1.2', step: 'build' });
      const here = {
        ...{ workspace: null, container: small.rootfs, idMap: await readIdMap() },
        jobClass,
      };
      mkdirSync(paths.live('earlier').dir, { recursive: true });
      copyFileSync(small.base, paths.live('earlier').base);
      await park(paths, {
        container: small.rootfs,
        live: paths.live('earlier'),
        inputsDir: null,
        record: { ...record, ...here, inputs, baseline: null, image: null, snapshot: null },
      });
    }

    it('sets a parked tree of other id ranges aside and goes on in a snapshot', async () => {
      const one = await save();
      await parkTree();
      editSealed(paths.parked(HASH).record, (record) => ({
        ...record,
        idMap: shifted(record.idMap as IdMap),
      }));
      const told = await assertResumed(one);
      assert.match(told, /is set aside, .*: it was made with other id ranges/);
      assert.deepEqual(readdirSync(paths.setAsideRoot), [HASH]);
    });

    it('uses neither a parked tree nor a snapshot after two failed tries', async () => {
      await save();
      await parkTree();
      await chargeFailedTry(paths, HASH);
      await chargeFailedTry(paths, HASH);
      const told = await assertClean();
      assert.match(told, /is set aside, .*: 2 builds/);
      assert.deepEqual(
        [await generations(), quarantined()],
        [[], [`${HASH}@1-${saved[0]!.digest.slice(7, 23)}.json`]],
      );
      assert.equal(await failedTries(paths, HASH), 0);
    });

    it('leaves what another class has parked where it is, after its own success too', async () => {
      await parkTree('protected');
      assert.match(await assertClean(), /and stays, .* was parked by a job of class protected/);
      writeFileSync(live().tmpFoldersGiven, '2\n');
      writeFileSync(live().scripts, 'pre 0\nbuild 0\nget 0\n');
      const { outcome } = await exitContainer({ container, store: small.store, run: null });
      assert.equal(outcome, 'succeeded');
      assert.ok(existsSync(paths.parked(HASH).rootfs));
    });

    it('holds the image that a clean container is made of, not that of a parked tree that could not be moved', async () => {
      await parkTree();
      // A file in the way of the container makes the rename fail after the image has been moved.
      writeFileSync(container, '');
      isBlocked = true;
      rmSync(join(inputsDir, IMAGE));
      writeFileSync(join(inputsDir, IMAGE), 'an image made since then');
      const told = await assertClean();
      assert.match(told, /is set aside/);
      assert.equal(readFileSync(live().base, 'utf8'), 'an image made since then');
    });

    it('does not keep an image that was written since the container was made of it', async () => {
      await assertClean();
      const { image } = await readLiveRecord(live().record);
      assert.equal(image?.name, IMAGE);
      writeFileSync(join(inputsDir, IMAGE), 'written in place');
      writeFileSync(live().tmpFoldersGiven, '0\n');
      writeFileSync(live().scripts, 'build interrupted\n');
      assert.equal(
        (await exitContainer({ container, store: small.store, run: null })).outcome,
        'interrupted',
      );
      assert.ok(existsSync(paths.parked(HASH).rootfs) && !existsSync(paths.parked(HASH).base));
    });
  },
);
