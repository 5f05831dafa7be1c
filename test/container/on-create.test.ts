import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { createContainer, type CreateOptions } from '../../lib/container/on-create.js';
import { RunDirectory } from '../../lib/container/run-directory.js';
import { storePaths } from '../../lib/store/paths.js';
import { readLiveRecord } from '../../lib/store/record.js';

const description = JSON.stringify({
  ...{ format: 1, project: 'p', step: 'build', targets: [], version: '1', filename: 'p.txt' },
  ...{ architecture: 'x86_64', source: null, container_image: [], input_files: [] },
  scripts: { build: 'true' },
  container: { user: 'rbm', offline: [], templates: {}, remote_mktemp: null },
});

let root: string;
let container: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'rbm-resume-create-'));
  container = join(root, 'container');
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const create = (more: Partial<CreateOptions>) =>
  createContainer({
    ...{ container, store: join(root, 'store'), description, mode: 'rerun', ownerPid: process.pid },
    ...{ project: 'p', workspace: null, inputsDir: null, keepFailed: false, run: null },
    startClean: () => Promise.resolve(mkdirSync(container)).then(() => 0),
    ...more,
  });
const live = () => storePaths(join(root, 'store')).live('container');

describe('the start of a container', () => {
  it('makes none for a run that was interrupted', async () => {
    const run = await RunDirectory.make();
    try {
      await run.askForInterrupt();
      const { how, notes } = await create({ run });
      assert.equal(how, 'interrupted');
      assert.match(notes.join('\n'), /p is not started/);
      assert.ok(!existsSync(container) && !existsSync(live().dir));
    } finally {
      await run.remove();
    }
  });

  it('gives one with var/resume off no hash, so nothing is resumed or kept, whatever describes it', async () => {
    const { how, hash } = await create({ mode: 'off' });
    assert.deepEqual([how, hash], ['clean', null]);
    const record = await readLiveRecord(live().record);
    assert.deepEqual([record.mode, record.hash, record.baseline], ['off', null, null]);
  });

  it('says whose it is before it is made', async () => {
    const seen: string[] = [];
    const startClean = (): Promise<number> => {
      seen.push(readFileSync(live().record, 'utf8'));
      mkdirSync(container);
      return Promise.resolve(0);
    };
    await create({ startClean });
    assert.match(String(seen[0]), /"project": "p"/);
  });
});
