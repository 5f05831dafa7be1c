import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { StoppedFile } from '../../lib/container/interrupt-files.js';
import { exitContainer, type ExitResult } from '../../lib/container/on-exit.js';
import { RunDirectory } from '../../lib/container/run-directory.js';
import { parseProjectHash } from '../../lib/digest.js';
import { readIdMap } from '../../lib/id-map.js';
import { chargeFailedTry, failedTries } from '../../lib/store/ledger.js';
import { identifyOwner } from '../../lib/store/live.js';
import { storePaths } from '../../lib/store/paths.js';
import { readKeptRecord, type LiveRecord } from '../../lib/store/record.js';
import { until } from '../rbm/trap-workspace.js';

const hash = parseProjectHash('a'.repeat(64));

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'rbm-resume-exit-'));
});
// The mark that a parked tree is on the disk may still come while it is being removed.
afterEach(() => until(() => spawnSync('rm', ['-rf', root]).status === 0, `the removal of ${root}`));

const paths = () => storePaths(join(root, 'store'));
const kept = () => paths().parked(hash);

interface Given {
  readonly ends: string;
  readonly record?: Partial<LiveRecord>;
  /** Files of the live directory. */
  readonly files?: Readonly<Record<string, string>>;
  readonly run?: RunDirectory | null;
}

/** Ends a small container whose scripts ended so. */
async function end({
  ends,
  record = {},
  files = { 'tmp-folders-given': '2\n' },
  run = null,
}: Given): Promise<ExitResult> {
  const container = join(root, 'container');
  const live = paths().live('container');
  for (const dir of [join(container, 'var/tmp'), live.dir]) mkdirSync(dir, { recursive: true });
  const whole: LiveRecord = {
    ...{
      format: 1,
      id: 'container',
      container,
      mode: 'rerun',
      keepFailed: false,
      jobClass: null,
      signer: null,
      project: 'p',
      step: 'build',
    },
    ...{ targets: [], version: '1', filename: 'p.txt', hash, workspace: null, inputsDir: null, legs: [] },
    expectedScripts: ['pre', 'build'],
    idMap: await readIdMap(),
    owner: await identifyOwner(process.pid),
    ...{ startedAt: new Date(Date.now() - 60_000).toISOString(), resumed: false, endedBefore: 0 },
    ...{ baseline: null, image: null, snapshot: null },
    ...record,
  };
  writeFileSync(live.record, JSON.stringify(whole));
  writeFileSync(live.scripts, ends);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(live.dir, name), text);
  const result = await exitContainer({ container, store: join(root, 'store'), run });
  assert.ok(!existsSync(container) && !existsSync(live.dir));
  return result;
}

const stoppedFile = (failure: string | null, unfinished: string[] = []): string =>
  JSON.stringify({
    script: 'build',
    failure,
    place: null,
    escalation: 'SIGINT',
    killed: [],
    removedFiles: [],
    unfinished,
    stoppedAt: new Date().toISOString(),
  } satisfies StoppedFile);

describe('the end of a container', () => {
  it('keeps an interrupted one, with the scripts that had ended with 0 and no others', async () => {
    const { outcome } = await end({
      ends: 'pre unknown\npre 0\nbuild unknown\nbuild interrupted\n',
      files: { 'tmp-folders-given': '2\n', stopped: stoppedFile(null) },
    });
    assert.equal(outcome, 'interrupted');
    assert.deepEqual((await readKeptRecord(kept().record)).endedScripts, ['pre']);
  });

  it('tells the run what the processor has done for the script of its step', async () => {
    const times = '0m1.000s 0m0.000s\n0m2.000s 0m0.500s\n0m1.000s 0m0.000s\n1m2.000s 0m1.500s\n';
    const run = await RunDirectory.make();
    try {
      for (const name of ['build', 'pre']) {
        const files = { 'tmp-folders-given': '2\n', times: `${name}\n${times}` };
        await end({ ends: 'pre 0\nbuild 0\n', files, run });
      }
      const told = (await run.readEvents()).map(({ outcome, scriptCpuSeconds }) => [
        outcome,
        scriptCpuSeconds,
      ]);
      assert.deepEqual(told, [
        ['succeeded', 61],
        ['succeeded', null],
      ]);
    } finally {
      await run.remove();
    }
  });

  it('keeps nothing of an interrupted one that was failing already', async () => {
    const { outcome, notes } = await end({
      ends: 'pre 0\nbuild interrupted\n',
      files: { 'tmp-folders-given': '2\n', stopped: stoppedFile('make: *** [Makefile:1: x] Error 1') },
    });
    assert.equal(outcome, 'failed');
    assert.match(notes.join('\n'), /failing already.*Error 1/);
    assert.ok(!existsSync(kept().dir));
  });

  it('says which configure below make was cut off, since the build may fail for it', async () => {
    const { outcome, notes } = await end({
      ends: 'pre 0\nbuild interrupted\n',
      files: { 'tmp-folders-given': '2\n', stopped: stoppedFile(null, ['sh ../libgcc/configure --host=x']) },
    });
    assert.equal(outcome, 'interrupted');
    assert.match(notes.join('\n'), /^cut off: sh \.\.\/libgcc\/configure --host=x; /m);
    assert.ok(existsSync(kept().rootfs));
  });

  it('keeps nothing where rbm has used the container another way, though it was resumed', async () => {
    const { outcome } = await end({
      ends: 'pre 0\n',
      record: { resumed: true },
      files: { interrupt: '{}' },
    });
    assert.equal(outcome, 'unknown');
    assert.ok(!existsSync(kept().dir));
  });

  it('keeps a resumed one again that was interrupted between two scripts', async () => {
    const { outcome } = await end({
      ends: 'pre 0\n',
      record: { resumed: true },
      files: { 'tmp-folders-given': '2\n', interrupt: '{}' },
    });
    assert.equal(outcome, 'interrupted');
    assert.ok(existsSync(kept().rootfs));
  });

  it('counts as work what a leg has run, and not that it has restored a tree', async () => {
    const files = { 'tmp-folders-given': '2\n', interrupt: '{}' };
    const secondsOf = async (given: Given) => {
      assert.equal((await end(given)).outcome, 'interrupted');
      return (await readKeptRecord(kept().record)).legs.at(-1)?.seconds ?? -1;
    };
    const record = { resumed: true, endedBefore: 1 };
    assert.equal(await secondsOf({ ends: 'pre 0\n', record, files }), 0);
    assert.ok((await secondsOf({ ends: 'pre 0\npost 0\n', record, files })) >= 60);
    assert.ok((await secondsOf({ ends: 'pre 0\nbuild interrupted\n', record, files })) >= 60);
  });

  it('keeps nothing of a build that failed while an interrupt was asked for', async () => {
    const { outcome } = await end({
      ends: 'pre 0\nbuild 2\n',
      files: { 'tmp-folders-given': '2\n', interrupt: '{}' },
    });
    assert.equal(outcome, 'failed');
    assert.ok(!existsSync(kept().dir));
  });

  it('charges what it was resumed from when the build failed, and only then', async () => {
    await end({ ends: 'pre 0\nbuild 2\n' });
    assert.equal(await failedTries(paths(), hash), 0);
    for (const [tries, ends] of [
      [1, 'pre 0\nbuild 2\n'],
      [2, 'pre 0\nbuild unknown\n'],
      [3, 'pre 0\nbuild 0\nget 1\n'],
      [4, ''],
    ] as const) {
      const { notes } = await end({ ends, record: { resumed: true } });
      assert.match(notes.join('\n'), new RegExp(`failed try ${tries} of 2`));
    }
    await end({ ends: 'pre 0\nbuild interrupted\n', record: { resumed: true } });
    assert.equal(await failedTries(paths(), hash), 4);
  });

  it('forgets all that was under the hash when the build succeeded: tries, what is parked, what was set aside', async () => {
    for (const dir of [kept().dir, join(paths().setAsideRoot, hash)]) mkdirSync(dir, { recursive: true });
    await chargeFailedTry(paths(), hash);
    const { outcome } = await end({ ends: 'pre 0\nbuild 0\nget 0\n' });
    assert.equal(outcome, 'succeeded');
    assert.equal(await failedTries(paths(), hash), 0);
    assert.deepEqual([readdirSync(paths().parkedRoot), readdirSync(paths().setAsideRoot)], [[], []]);
  });

  it('notes the content of the input files that a kept tree was made of', async () => {
    const inputsDir = join(root, 'inputs');
    mkdirSync(inputsDir);
    for (const name of ['data', 'build', 'container-image_x.tar', 'p-1.tar.gz'])
      writeFileSync(join(inputsDir, name), name);
    await end({ ends: 'pre 0\nbuild interrupted\n', record: { inputsDir } });
    const { inputs } = JSON.parse(readFileSync(kept().record, 'utf8')) as { inputs: object };
    assert.deepEqual(Object.keys(inputs), ['data']);
  });
});
