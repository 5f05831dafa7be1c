import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, it } from 'node:test';
import { stopScript, type StopOptions, type StopReport } from '../../../lib/container/stop/stop-script.js';
import { tinyContainer, type TinyContainer } from './tiny-container.js';

/** So long that nothing is ever driven by the clock unless it hangs. */
const NO_HURRY_MS = 15_000;

const stop = (
  { dir, runnerNsPid }: TinyContainer,
  options: Pick<StopOptions, 'sendSignal'> = {},
): Promise<StopReport> => stopScript({ rootDir: dir, runnerNsPid, graceMs: NO_HURRY_MS, ...options });

const NOTHING_RAN = {
  ...{ wasRunning: false, processes: 0, escalation: 'SIGINT' },
  ...{ killed: [], removedFiles: [], unfinished: [] },
};

/** A program that says `ready` and ends with status 0 on SIGINT, as ninja 1.13.0 does. */
const POLITE = `perl -e '$SIG{INT} = sub { exit 0 }; open F, ">", "ready"; print F "1\\n"; close F; sleep 1 while 1'`;

describe('stopping a script', { concurrency: 4 }, () => {
  for (const shell of ['/bin/bash', '/bin/sh']) {
    it(`runs no further line of ${shell} after a program that ends well on SIGINT`, async (t) => {
      const container = await tinyContainer(t, { script: `#!${shell}\n${POLITE}\necho 1 >next\n` });
      await container.waitFor('ready');
      const report = await stop(container);
      assert.equal(report.wasRunning, true);
      assert.equal(report.processes, 2);
      assert.equal(report.escalation, 'SIGINT');
      assert.deepEqual(report.killed, []);
      assert.deepEqual(await container.end(), { status: 137, left: ['build', 'ready'] });
    });

    it(`runs no trap of ${shell}`, async (t) => {
      const script = `#!${shell}\ntrap 'echo 1 >trapped' INT TERM EXIT HUP\n${POLITE}\necho 1 >next\n`;
      const container = await tinyContainer(t, { script });
      await container.waitFor('ready');
      await stop(container);
      assert.deepEqual(await container.end(), { status: 137, left: ['build', 'ready'] });
    });
  }

  it('runs no further line of a shell that a program above it would wake', async (t) => {
    // timeout hands SIGINT on, and SIGCONT after it, to its whole process group.
    const container = await tinyContainer(t, {
      script: `timeout 100 bash -c '. ./inner'\n`,
      files: { inner: `${POLITE}\necho 1 >next\n` },
    });
    await container.waitFor('ready');
    const report = await stop(container);
    assert.equal(report.escalation, 'SIGINT');
    assert.equal(await container.read('next'), null);
  });

  it('ends background jobs, which ignore SIGINT, without waiting for them', async (t) => {
    const script = `sleep 1000 &\n( trap '' INT; sleep 1000; echo 1 >next ) &\nsetsid sleep 1000 &\n( sleep 1000 & )\necho 1 >ready\nwait\n`;
    const container = await tinyContainer(t, { script });
    await container.waitFor('ready');
    const report = await stop(container);
    assert.deepEqual([report.escalation, report.killed], ['SIGINT', []]);
    assert.deepEqual(container.scriptAlive(), []);
    assert.equal(await container.read('next'), null);
  });

  it('ends a tree that was started with SIGINT ignored', async (t) => {
    const container = await tinyContainer(t, {
      ignoresInterrupt: true,
      script: `make\necho 1 >next\n`,
      files: { Makefile: `out:\n\t@(echo part >out; echo 1 >ready; sleep 1000; echo end >>out)\n` },
    });
    await container.waitFor('ready');
    const report = await stop(container);
    assert.deepEqual([report.escalation, report.killed], ['SIGINT', []]);
    assert.deepEqual(await container.end(), { status: 137, left: ['Makefile', 'build', 'ready'] });
  });

  it('catches up with a storm of forks', async (t) => {
    const container = await tinyContainer(t, {
      script: `echo 1 >ready\nwhile :; do sleep 0.01 & done 2>/dev/null\n`,
    });
    await container.waitFor('ready');
    await sleep(100);
    const report = await stop(container);
    assert.deepEqual(report.killed, []);
    assert.deepEqual(container.scriptAlive(), []);
  });

  it('removes what a shell was writing itself, before the end is recorded, and nothing else', async (t) => {
    const script = `echo whole >whole\n{ echo part; echo 1 >ready; sleep 1000; echo end; } >'half
(deleted)'\n`;
    const container = await tinyContainer(t, { script });
    await container.waitFor('ready');
    const report = await stop(container);
    assert.deepEqual(report.removedFiles, ['/work/half\n(deleted)']);
    assert.equal(report.escalation, 'SIGINT');
    assert.deepEqual(await container.end(), { status: 137, left: ['build', 'ready', 'whole'] });
  });

  it('ends what has another root, another pid namespace or no parent left', async (t) => {
    const script = `
mkdir nested detached loose
mkfifo never
mount --rbind / nested
unshare --mount --propagation unchanged --pid --fork chroot nested sh -c 'sleep 1001 & sleep 1002' &
mount --rbind / detached
chroot detached sh -c 'echo 1 >/work/inside; read -r line </work/never' &
while [ ! -s inside ]; do sleep 0.05; done
umount --lazy detached
( setsid sleep 1003 & )
unshare --mount --propagation unchanged sh -c 'mount --rbind / loose
  chroot loose sh -c "echo 1 >/work/adopted; read -r line </work/never" &
  while [ ! -s adopted ]; do sleep 0.05; done
  umount --lazy loose'
echo 1 >ready
sleep 1004
`;
    const container = await tinyContainer(t, { script, isRoot: true });
    for (const number of [1, 2, 3, 4]) await container.waitForProcess(`sleep 100${number}`);
    const own = container.alive();
    const signalled = new Set<number>();
    const report = await stop(container, {
      sendSignal: (pid, signal) => {
        signalled.add(pid);
        process.kill(pid, signal);
      },
    });
    const nested = own.filter(({ command }) => !command.includes('/rbm/'));
    assert.equal(nested.length, 7);
    assert.deepEqual(
      nested.filter(({ pid }) => !signalled.has(pid)),
      [],
    );
    assert.equal(report.processes, nested.length + 2, 'two have a root that leads nowhere');
    assert.deepEqual(container.scriptAlive(), []);
    assert.equal((await container.end()).status, 137);
  });

  it('says that nothing ran when the script has ended', async (t) => {
    const container = await tinyContainer(t, { script: 'mkfifo linger\n' });
    await container.end();
    const report = await stop(container);
    assert.deepEqual(report, { ...NOTHING_RAN, durationMs: report.durationMs });
    assert.equal(container.alive().length, 3);
  });

  it('says that nothing ran when the whole container has ended', async (t) => {
    const container = await tinyContainer(t, { script: 'true\n' });
    await container.ended;
    assert.equal((await stop(container)).wasRunning, false);
  });

  it('touches neither another container nor programs of the same name outside', async (t) => {
    const script = `echo 1 >ready\nsleep 1000\n`;
    const containers = await Promise.all([tinyContainer(t, { script }), tinyContainer(t, { script })]);
    const [stopped, other] = containers;
    for (const container of containers) await container.waitForProcess('sleep 1000');
    const outside = spawn('sleep', ['1000'], { stdio: 'ignore' });
    t.after(() => outside.kill('SIGKILL'));
    const before = other.alive();
    await stop(stopped);
    assert.deepEqual(stopped.scriptAlive(), []);
    assert.deepEqual(other.alive(), before);
    assert.equal(outside.exitCode ?? outside.signalCode, null);
    await stop(other);
  });

  it('signals nothing above the script', async (t) => {
    const container = await tinyContainer(t, {
      script: `echo 1 >ready\nmkfifo linger\nsleep 1000 & sleep 1001\n`,
    });
    for (const number of [0, 1]) await container.waitForProcess(`sleep 100${number}`);
    const above = container.alive().filter(({ command }) => command.includes('/rbm/'));
    const signalled: { pid: number; signal: string }[] = [];
    await stop(container, {
      sendSignal: (pid, signal) => {
        signalled.push({ pid, signal });
        process.kill(pid, signal);
      },
    });
    assert.equal(above.length, 3);
    assert.deepEqual(
      container.alive().map(({ pid }) => pid),
      above.map(({ pid }) => pid),
    );
    const script = new Set(signalled.map(({ pid }) => pid));
    assert.equal(script.size, 3);
    assert.ok(above.every(({ pid }) => !script.has(pid)));
    const freeze = signalled.slice(
      0,
      signalled.findIndex(({ signal }) => signal !== 'SIGSTOP'),
    );
    assert.equal(new Set(freeze.map(({ pid }) => pid)).size, 3, 'all are frozen before any is asked to end');
  });

  it('kills the script itself last, when its other shells are dead', async (t) => {
    const container = await tinyContainer(t, { script: `( ( echo 1 >ready; sleep 1000; : ); : ); :\n` });
    await container.waitForProcess('sleep 1000');
    const [build, ...inner] = container.alive().filter(({ command }) => command.includes('./build'));
    const alive = new Map<number, number>();
    await stop(container, {
      sendSignal: (pid, signal) => {
        if (signal === 'SIGKILL')
          alive.set(pid, container.alive().filter(({ command }) => command.includes('./build')).length);
        process.kill(pid, signal);
      },
    });
    assert.equal(inner.length, 2);
    assert.equal(alive.get(build?.pid ?? 0), 1);
  });

  it('ends orphans before a script that is no shell, since the container ends with it', async (t) => {
    const script = `( perl orphan & ); exec sleep 1000\n`;
    const orphan = `$SIG{INT} = $SIG{TERM} = sub { sleep 1; open T, ">", "tidied"; exit }; open F, ">", "ready"; print F "1\\n"; close F; sleep 1 while 1`;
    const container = await tinyContainer(t, { script, files: { orphan } });
    await container.waitFor('ready');
    await stop(container);
    assert.deepEqual(await container.end(), { status: 130, left: ['build', 'orphan', 'ready', 'tidied'] });
  });

  it('removes what shells were writing before a script that is no shell ends', async (t) => {
    const script = `bash -c '{ echo 1 >ready; sleep 1000; } >half' & exec perl -e '$SIG{INT} = sub { sleep 1; exit 3 }; sleep 1 while 1'\n`;
    const container = await tinyContainer(t, { script });
    await container.waitForProcess('sleep 1000');
    await container.waitForProcess('perl -e $SIG{INT} = sub { sleep 1; exit 3 }; sleep 1 while 1');
    await sleep(100);
    const report = await stop(container);
    assert.deepEqual(report.removedFiles, ['/work/half']);
    assert.deepEqual(await container.end(), { status: 3, left: ['build', 'ready'] });
  });

  it('is not held up by a parent that waits in the kernel for its child to become a program', async (t) => {
    const script = `#!/usr/bin/perl
require "syscall.ph";
if (!syscall(&SYS_vfork)) { open F, ">", "ready"; syswrite F, "1\\n"; select undef, undef, undef, 1000 }
`;
    const container = await tinyContainer(t, { script });
    await container.waitFor('ready');
    const report = await stop(container);
    assert.deepEqual([report.processes, report.escalation], [2, 'SIGINT']);
    assert.ok(report.durationMs < 4_000, `${report.durationMs}`);
    assert.deepEqual(container.scriptAlive(), []);
  });
});
