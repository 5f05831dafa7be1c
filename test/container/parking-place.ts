import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fingerprintInputs } from '../../lib/container/inputs.js';
import { park, type ParkRequest, type ParkResult } from '../../lib/container/park.js';
import { takeBack, type TakeResult } from '../../lib/container/take-back.js';
import { parseProjectHash } from '../../lib/digest.js';
import { readIdMap } from '../../lib/id-map.js';
import { storePaths, type KeptPaths, type StorePaths } from '../../lib/store/paths.js';
import { until } from '../rbm/trap-workspace.js';
import { editSealed } from '../store/sealed-files.js';

export const hash = parseProjectHash('a'.repeat(64));
const build = {
  ...{ project: 'p', version: '1', step: 'build', targets: [], filename: 'p.txt' },
  expectedScripts: ['build'],
};

/** A store and small containers of one build, which are parked there and taken back. */
export class ParkingPlace {
  readonly root = mkdtempSync(join(tmpdir(), 'rbm-resume-park-'));
  readonly paths: StorePaths = storePaths(join(this.root, 'store'));
  readonly kept: KeptPaths = this.paths.parked(hash);
  readonly inputsDir = join(this.root, 'inputs');
  /** What takes back what is parked, but for its container. */
  readonly taker = { ...build, hash, id: 'next', inputsDir: this.inputsDir };
  readonly container = join(this.root, 'next');

  constructor() {
    mkdirSync(this.inputsDir);
    writeFileSync(this.input('data'), 'one');
  }

  /** Makes a small container with a temporary folder, and parks it. */
  async park(name = 'first', seconds = 10, more: Partial<ParkRequest['record']> = {}): Promise<ParkResult> {
    const container = join(this.root, name);
    mkdirSync(join(container, 'var/tmp/work'), { recursive: true });
    writeFileSync(join(container, 'made-by'), name);
    const live = this.paths.live(name);
    mkdirSync(live.dir, { recursive: true });
    const [startedAt, endedAt] = ['2030-01-01T00:00:00.000Z', '2030-01-01T00:00:10.000Z'];
    const leg = {
      ...{ startedAt, endedAt, seconds, stoppedIn: 'build' },
      ...{ place: null, division: null, escalation: null, removedFiles: [] },
    };
    return park(this.paths, {
      container,
      live,
      inputsDir: null,
      record: {
        ...build,
        ...{ format: 1, workspace: null },
        idMap: await readIdMap(),
        legs: [leg],
        hash,
        ...{ image: null, snapshot: null, jobClass: null },
        container,
        tmpFolders: ['/var/tmp/work'],
        inputs: await fingerprintInputs(this.inputsDir, build),
        endedScripts: [],
        baseline: null,
        reason: 'interrupted',
        ...more,
      },
    });
  }

  takeBack(inputsDir: string | null = this.inputsDir): Promise<TakeResult> {
    return takeBack(this.paths, { ...this.taker, container: this.container, inputsDir });
  }

  editRecord(from: RegExp, to: string): void {
    editSealed(this.kept.record, (record) => {
      const text = JSON.stringify(record, null, 2);
      const edited = text.replace(from, to);
      assert.notEqual(edited, text);
      return JSON.parse(edited) as object;
    });
  }

  inTree(path: string): string {
    return join(this.kept.rootfs, path);
  }

  input(name: string): string {
    return join(this.inputsDir, name);
  }

  /** The mark that a parked tree is on the disk may still come while it is being removed. */
  remove(): Promise<void> {
    return until(() => spawnSync('rm', ['-rf', this.root]).status === 0, `the removal of ${this.root}`);
  }
}
