import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { collectGarbage } from '../../lib/store/gc.js';
import { storePaths } from '../../lib/store/paths.js';
import { packageDir } from '../rbm/workspace.js';
import { checkReferences, namesInIndex, skopeo } from './oci-images.js';

/** EVERYWHERE=1 kills it in many more places. */
const ROUNDS = process.env.EVERYWHERE === '1' ? 200 : 15;

let root: string;
before(() => {
  root = mkdtempSync(join(tmpdir(), 'rbm-resume-many-'));
});
after(() => rmSync(root, { recursive: true }));

interface Program {
  readonly child: ChildProcess;
  readonly ready: Promise<unknown>;
  readonly closed: Promise<unknown[]>;
  /** The names that it has acknowledged. */
  readonly saved: () => string[];
}

function start(...args: string[]): Program {
  const program = join(packageDir, 'test', 'store', 'commit-program.ts');
  const child = spawn(process.execPath, ['--import', 'tsx', program, ...args], {
    cwd: packageDir,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
  return {
    child,
    ready: once(child.stdout, 'data'),
    closed: once(child, 'close'),
    saved: () => text.split('\n').flatMap((line) => /^saved (.*)/.exec(line)?.[1] ?? []),
  };
}

describe('the store', () => {
  it('has every image of twelve processes that save at once while another collects', async () => {
    const store = join(root, 'at-once');
    const collector = start('gc', store);
    const savers = Array.from({ length: 12 }, (_, index) => start('save', store, `p${index}`, '5', '100000'));
    const ends = await Promise.all(savers.map(({ closed }) => closed));
    assert.deepEqual(
      ends.map(([status]) => Number(status)),
      savers.map(() => 0),
    );
    assert.equal(collector.child.exitCode, null, 'the collector ended too early');
    collector.child.kill('SIGKILL');
    await collector.closed;
    const expected = savers.flatMap((_, index) => [0, 1, 2, 3, 4].map((image) => `p${index}-${image}`));
    assert.deepEqual(namesInIndex(store).sort(), expected.sort());
    assert.deepEqual(checkReferences(store), []);
    assert.deepEqual(readdirSync(storePaths(store).stagingRoot), []);
    for (const name of ['p0-0', 'p5-2', 'p11-4']) skopeo('inspect', `oci:${store}:${name}`);
    skopeo('copy', '-q', `oci:${store}:p3-3`, `dir:${join(root, 'copied')}`);
  });

  it('is whole after each kill -9 of a process that saves, and the next collection leaves no junk', async () => {
    const store = join(root, 'killed');
    const paths = storePaths(store);
    // How long one takes here, so that kills fall on all parts of a save, however fast the machine is.
    const first = start('save', store, 'first', '1', '3000000');
    await first.ready;
    const before = performance.now();
    await first.closed;
    const oneSave = Math.ceil(performance.now() - before);
    const acknowledged = first.saved();
    assert.deepEqual(acknowledged, ['first-0']);
    let junk = 0;
    for (let round = 0; round < ROUNDS; round += 1) {
      const saver = start('save', store, `r${round}`, '1000', '3000000');
      await saver.ready;
      await setTimeout(randomInt(0, 2 * oneSave));
      saver.child.kill('SIGKILL');
      await saver.closed;
      acknowledged.push(...saver.saved());
      const names = new Set(namesInIndex(store));
      assert.deepEqual(
        acknowledged.filter((name) => !names.has(name)),
        [],
      );
      checkReferences(store);
      if (round % 5 !== 4) continue;
      const { removed, stagingFolders } = await collectGarbage(paths);
      junk += removed.length + stagingFolders;
      assert.deepEqual(checkReferences(store), []);
      assert.deepEqual(readdirSync(paths.stagingRoot), []);
      assert.deepEqual(readdirSync(store).sort(), ['.rbm-resume', 'blobs', 'index.json', 'oci-layout']);
    }
    assert.ok(acknowledged.length > 1, 'nobody had the time to save');
    assert.ok(junk > 0, 'nobody was killed in the middle of anything');
  });
});
