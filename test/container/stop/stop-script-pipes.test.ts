import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { gunzipSync } from 'node:zlib';
import { readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { stopScript, type StopReport } from '../../../lib/container/stop/stop-script.js';
import { tinyContainer, type TinyContainer } from './tiny-container.js';

/** So long that nothing is ever driven by the clock unless it hangs. */
const NO_HURRY_MS = 15_000;
const hasMake = spawnSync('make', ['--version']).stdout?.includes('GNU Make') === true;

const stop = ({ dir, runnerNsPid }: TinyContainer): Promise<StopReport> =>
  stopScript({ rootDir: dir, runnerNsPid, graceMs: NO_HURRY_MS });

function assertGentle(report: StopReport): void {
  const { wasRunning, escalation, killed, removedFiles } = report;
  assert.deepEqual(
    { wasRunning, escalation, killed, removedFiles },
    { wasRunning: true, escalation: 'SIGINT', killed: [], removedFiles: [] },
  );
}

/** One target that is there, one that is being made. */
const MAKEFILE = `out: done
\tprintf part >out; echo 1 >ready; sleep 1000; echo rest >>out
done:
\techo whole >done
`;

describe('stopping make and what reads from it', { concurrency: 4, skip: !hasMake && 'no GNU make' }, () => {
  it('lets make delete its partial target, and tee hear of it', async (t) => {
    const container = await tinyContainer(t, {
      script: 'make 2>&1 | tee log\necho 1 >next\n',
      files: { Makefile: MAKEFILE },
    });
    await container.waitFor('ready');
    assertGentle(await stop(container));
    assert.deepEqual((await container.end()).left, ['Makefile', 'build', 'done', 'log', 'ready']);
    assert.match((await container.read('log')) ?? '', /Deleting file 'out'/);
  });

  it('leaves the log alone that make and its recipes write to', async (t) => {
    const container = await tinyContainer(t, {
      script: 'make >log 2>&1\necho 1 >next\n',
      files: { Makefile: MAKEFILE },
    });
    await container.waitFor('ready');
    assertGentle(await stop(container));
    assert.deepEqual((await container.end()).left, ['Makefile', 'build', 'done', 'log', 'ready']);
    assert.match((await container.read('log')) ?? '', /Deleting file 'out'/);
  });

  it('lets every reader of a chain finish', async (t) => {
    const container = await tinyContainer(t, {
      script: 'make 2>&1 | tee log | sed -u s/out/OUT/ | gzip >log.gz\necho 1 >next\n',
      files: { Makefile: MAKEFILE },
    });
    await container.waitFor('ready');
    assertGentle(await stop(container));
    assert.deepEqual((await container.end()).left, ['Makefile', 'build', 'done', 'log', 'log.gz', 'ready']);
    assert.match(gunzipSync(await readFile(container.path('work/log.gz'))).toString(), /Deleting file 'OUT'/);
  });

  it('ends a reader that the script itself writes to, which never sees an end', async (t) => {
    const container = await tinyContainer(t, {
      script: 'exec > >(tee log) 2>&1\nmake\necho 1 >next\n',
      files: { Makefile: MAKEFILE },
    });
    await container.waitFor('ready');
    assertGentle(await stop(container));
    assert.deepEqual((await container.end()).left, ['Makefile', 'build', 'done', 'log', 'ready']);
    assert.match((await container.read('log')) ?? '', /Deleting file 'out'/);
  });

  it('lets a recursive make with a jobserver delete every partial target and keep the whole ones', async (t) => {
    const names = ['a', 'b', 'c'];
    const sub = (name: string) => `all: part-${name}
part-${name}: whole-${name}
\tprintf part >$@; echo 1 >ready-${name}; sleep 1000; echo rest >>$@
whole-${name}:
\techo whole >$@
`;
    const container = await tinyContainer(t, {
      script: 'make -j4 2>&1 | tee log\necho 1 >next\n',
      files: {
        Makefile: `all: ${names.join(' ')}\n.PHONY: all ${names.join(' ')}\n${names.join(' ')}:\n\t+@$(MAKE) -f $@.mk; echo made\n`,
        ...Object.fromEntries(names.map((name) => [`${name}.mk`, sub(name)])),
      },
    });
    for (const name of names) await container.waitFor(`ready-${name}`);
    assertGentle(await stop(container));
    assert.deepEqual(
      (await container.end()).left.filter((name) => /part|whole|next/.test(name)),
      names.map((name) => `whole-${name}`),
    );
    for (const name of names) {
      assert.match((await container.read('log')) ?? '', new RegExp(`Deleting file 'part-${name}'`));
    }
  });

  const flooded = `out:\n\tprintf part >out; echo 1 >ready; yes\n`;
  const readers = {
    'a frozen shell': { script: 'make 2>&1 | while sleep 1000; do :; done\necho 1 >next\n' },
    'a command substitution': { script: 'x=$(make 2>&1 | { sleep 1000; cat; })\necho 1 >next\n' },
    'a program above it': { script: `#!/usr/bin/perl\nopen F, "make 2>&1 |"; sleep 1000; print <F>;\n` },
  };
  for (const [name, { script }] of Object.entries(readers)) {
    it(`lets make delete its target though its pipe to ${name} is full`, async (t) => {
      const container = await tinyContainer(t, { script, files: { Makefile: flooded } });
      await container.waitFor('ready');
      await sleep(200);
      assertGentle(await stop(container));
      const { left } = await container.end();
      assert.deepEqual(left, ['Makefile', 'build', 'ready']);
    });
  }
});

describe('stopping programs that talk through pipes', { concurrency: 4 }, () => {
  it('gives a reader a moment after the end of its input', async (t) => {
    const reader = '1 while <STDIN>; select undef, undef, undef, 0.1; open F, ">", "summary"';
    const container = await tinyContainer(t, {
      script: `perl -e 'open F, ">", "ready"; print F "1\\n"; close F; sleep 1000' | perl reader\necho 1 >next\n`,
      files: { reader },
    });
    await container.waitFor('ready');
    assertGentle(await stop(container));
    assert.deepEqual((await container.end()).left, ['build', 'reader', 'ready', 'summary']);
  });

  it('does not wait in a circle', async (t) => {
    // Each reads what the other writes; both hold only their own ends.
    const script = `mkfifo there back
perl -e 'open W, ">", "there"; open R, "<", "back"; sleep 1000' &
perl -e 'open R, "<", "there"; open W, ">", "back"; open F, ">", "ready"; print F "1\\n"; close F; sleep 1000'
`;
    const container = await tinyContainer(t, { script: `#!/bin/bash\nset -m\n${script}` });
    await container.waitFor('ready');
    assertGentle(await stop(container));
    assert.deepEqual(container.scriptAlive(), []);
  });

  it('ends a program before the worker that it feeds, which ends at the end of its input', async (t) => {
    const worker = `$SIG{INT} = $SIG{TERM} = "IGNORE"; open F, ">", "ready"; print F "1\\n"; close F; 1 while <STDIN>; open F, ">", "tidied"`;
    const container = await tinyContainer(t, {
      script: 'perl feeder\necho 1 >next\n',
      files: { worker, feeder: 'open W, "| perl worker" or die; sleep 1000' },
    });
    await container.waitFor('ready');
    assertGentle(await stop(container));
    const { left } = await container.end();
    assert.deepEqual(left, ['build', 'feeder', 'ready', 'tidied', 'worker']);
  });
});
