import assert from 'node:assert/strict';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fingerprintInputs } from '../../lib/container/inputs.js';
import { createContainer, type CreateResult } from '../../lib/container/on-create.js';
import { exitContainer, type ExitResult } from '../../lib/container/on-exit.js';
import { park } from '../../lib/container/park.js';
import { hexOf, type ProjectHash } from '../../lib/digest.js';
import { readIdMap } from '../../lib/id-map.js';
import { parseBuildDescription, projectHash } from '../../lib/project-hash.js';
import { openStore } from '../../lib/snapshot/open-store.js';
import type { Snapshot } from '../../lib/snapshot/snapshot.js';
import { storePaths, type LivePaths, type StorePaths } from '../../lib/store/paths.js';
import { readLiveRecord, type SnapshotRecord } from '../../lib/store/record.js';
import { makeSmall, recordOf, root, type Small } from '../snapshot/small-snapshots.js';

const description = JSON.stringify({
  ...{ format: 1, project: 'hello', step: 'build', targets: [], version: '1.2', filename: 'hello.tar' },
  ...{ architecture: 'x86_64', source: null, container_image: [], input_files: [] },
  scripts: { pre: 'true', build: 'true' },
  container: { user: 'rbm', offline: [], templates: {}, remote_mktemp: null },
});
export const HASH: ProjectHash = projectHash(parseBuildDescription(description));
export const IMAGE = 'container-image_small.tar.zst';

const ofHello = { targets: [], filename: 'hello.tar', expectedScripts: ['pre', 'build'] };

/** A container of the build `hello` that begins and ends, with a store and input files of its own. */
export class ContainerStart {
  readonly paths: StorePaths;
  readonly inputsDir: string;
  readonly container: string;
  readonly saved: Snapshot[] = [];
  /** Whether a file is in the way of the container. */
  isBlocked = false;

  private constructor(
    readonly small: Small,
    readonly work: string,
  ) {
    this.paths = storePaths(small.store);
    [this.inputsDir, this.container] = [join(work, 'inputs'), join(work, 'containers', 'one')];
    mkdirSync(this.inputsDir);
    mkdirSync(join(work, 'containers'));
    writeFileSync(join(this.inputsDir, 'source'), 'as it was');
    copyFileSync(small.base, join(this.inputsDir, IMAGE));
  }

  static async make(): Promise<ContainerStart> {
    return new ContainerStart(await makeSmall(), mkdtempSync(join(root, 'resume-')));
  }

  /** One leg more. */
  async save(more: Partial<SnapshotRecord> = {}, options = {}): Promise<Snapshot> {
    await this.small.change(
      `echo leg ${this.saved.length} > etc/made; rm -f etc/other; ln -f etc/base etc/second; chown 7:8 etc/made`,
    );
    const record = {
      ...{ ...recordOf(HASH), ...ofHello, hash: HASH, inputs: await this.#inputs() },
      ...{ tmpFolders: ['/etc', '/usr/bin'], endedScripts: ['pre'], ...more },
    };
    const snapshot = await this.small.save({ record, ...options });
    this.saved.push(snapshot);
    return snapshot;
  }

  /** Parks the tree as it is, as a job of that class. */
  async parkTree(jobClass: string | null = null): Promise<void> {
    const { parkedAt, ...record } = { ...recordOf(HASH), ...ofHello, tmpFolders: ['/etc'] };
    void parkedAt;
    const { rootfs, base } = this.small;
    const here = { workspace: null, container: rootfs, idMap: await readIdMap(), jobClass };
    const live = this.paths.live('earlier');
    mkdirSync(live.dir, { recursive: true });
    copyFileSync(base, live.base);
    const known = { inputs: await this.#inputs(), baseline: null, image: null, snapshot: null };
    await park(this.paths, {
      ...{ container: rootfs, live, inputsDir: null },
      record: { ...record, ...here, ...known },
    });
  }

  async create(): Promise<CreateResult & { readonly told: string }> {
    const { container, inputsDir } = this;
    const result = await createContainer({
      ...{ container, store: this.small.store, description, mode: 'rerun', ownerPid: process.pid },
      ...{ project: 'hello', workspace: null, inputsDir, keepFailed: false, run: null },
      startClean: () => {
        assert.ok(this.isBlocked || !existsSync(container), 'a clean start finds something in its place');
        rmSync(container, { force: true });
        mkdirSync(join(container, 'clean'), { recursive: true });
        return Promise.resolve(0);
      },
    });
    return { ...result, told: result.notes.join('\n') };
  }

  /** The end of the container, after it has had so many temporary folders and its scripts have ended so. */
  exit(scripts: string, tmpFolders: number): Promise<ExitResult> {
    writeFileSync(this.live().tmpFoldersGiven, `${tmpFolders}\n`);
    writeFileSync(this.live().scripts, scripts);
    return exitContainer({ container: this.container, store: this.small.store, run: null });
  }

  live(): LivePaths {
    return this.paths.live('one');
  }

  async generations(): Promise<number[]> {
    const entries = await openStore(this.small.store).list();
    return entries.filter(({ hash }) => hash === HASH).map(({ generation }) => generation);
  }

  quarantined(): string[] {
    const { quarantineRoot } = this.paths;
    return existsSync(quarantineRoot) ? readdirSync(quarantineRoot).sort() : [];
  }

  layerFile(snapshot: Snapshot, number: number): string {
    return join(this.paths.blobs, hexOf(snapshot.layers[number]!.descriptor.digest));
  }

  /** What it says. */
  async assertClean(): Promise<string> {
    const { how, told } = await this.create();
    assert.equal(how, 'clean', told);
    assert.deepEqual(readdirSync(this.container), ['clean']);
    this.#assertTidy();
    const live = this.live();
    const record = await readLiveRecord(live.record);
    assert.deepEqual([record.resumed, record.snapshot, record.legs], [false, null, []]);
    assert.ok(!existsSync(live.resumed) && !existsSync(live.tmpFolders) && !existsSync(live.scripts));
    return told;
  }

  /** What it says. */
  async assertResumed(from: Snapshot): Promise<string> {
    const { how, told } = await this.create();
    assert.equal(how, 'resumed', told);
    this.#assertTidy();
    const { resumed, snapshot, legs, baseline, image } = await readLiveRecord(this.live().record);
    const { digest, generation } = from;
    assert.deepEqual([resumed, snapshot, image], [true, { digest, generation }, null]);
    assert.deepEqual([legs.length, baseline === null], [1, false]);
    return told;
  }

  /** What must be true of every start: one container and nothing beside it. */
  #assertTidy(): void {
    assert.deepEqual(readdirSync(join(this.work, 'containers')), ['one']);
  }

  #inputs() {
    return fingerprintInputs(this.inputsDir, { project: 'hello', version: '1.2', step: 'build' });
  }
}
