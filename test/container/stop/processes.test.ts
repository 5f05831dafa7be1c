import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { RbmResumeError } from '../../../lib/errors.js';
import {
  ancestorsOf,
  hasSignal,
  isAlive,
  isStopped,
  type ContainerProcess,
} from '../../../lib/container/stop/process-status.js';
import { findRunner, listProcesses } from '../../../lib/container/stop/processes.js';
import { eventually, tinyContainer } from './tiny-container.js';

const hasThreads = spawnSync('perl', ['-Mthreads', '-e', '1']).status === 0;

describe('listing the processes of a container', { concurrency: 4 }, () => {
  it('finds the runner by the pid that it gives itself, and what is below it', async (t) => {
    const container = await tinyContainer(t, { script: `trap '' INT\nsleep 1000 &\nwait\n` });
    await container.waitForProcess('sleep 1000');
    const runner = findRunner(container.dir, container.runnerNsPid);
    assert.ok(runner);
    assert.deepEqual(runner.command, ['/bin/sh', '/rbm/cmd']);
    assert.deepEqual(runner.namespacePids, [runner.pid, container.runnerNsPid]);
    const processes = listProcesses(container.dir);
    assert.deepEqual(
      processes.map(({ pid, command }) => ({ pid, command: command.join(' ') })),
      container.alive(),
    );
    const build = processes.find(({ parentPid }) => parentPid === runner.pid);
    const job = processes.find(({ parentPid }) => parentPid === build?.pid);
    assert.ok(build && job);
    assert.match(build.executable ?? '', /^\/.*\/bash$/);
    assert.ok(build.executable?.startsWith(`${container.dir}/`));
    assert.equal(hasSignal(build.ignored, 'SIGINT'), true);
    assert.equal(hasSignal(build.ignored, 'SIGTERM'), false);
    assert.deepEqual(ancestorsOf(job.pid).slice(0, 2), [build.pid, runner.pid]);
    assert.ok(isAlive(job) && !isStopped(job));
  });

  it('finds what has another root inside, and the runner among pids that are used twice', async (t) => {
    const script = `
mkdir nested
mount --rbind / nested
chroot nested sleep 1001 &
unshare --pid --fork sh -c 'for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do sleep 1002 & done; echo 1 >ready; wait'
`;
    const container = await tinyContainer(t, { script, isRoot: true });
    await container.waitFor('ready');
    const { pid } = await container.waitForProcess('sleep 1001');
    const processes = listProcesses(container.dir);
    assert.ok(processes.some((process) => process.pid === pid));
    const innermost = processes.filter(({ namespacePids }) => namespacePids.at(-1) === container.runnerNsPid);
    assert.equal(innermost.length, 2);
    assert.deepEqual(findRunner(container.dir, container.runnerNsPid)?.command, ['/bin/sh', '/rbm/cmd']);
  });

  it('takes a stopped process for stopped and a zombie for dead', async (t) => {
    const container = await tinyContainer(t, {
      script: `#!/usr/bin/perl\n$pid = fork // die; exit 0 if !$pid; sleep 1; open F, ">", "ready"; print F "$pid\\n"; close F; sleep 1000\n`,
    });
    await container.waitFor('ready');
    const runner = findRunner(container.dir, container.runnerNsPid);
    const [build, other] = listProcesses(container.dir).filter(({ parentPid }) => parentPid === runner?.pid);
    assert.ok(build && !other);
    assert.deepEqual(
      listProcesses(container.dir).filter(({ parentPid }) => parentPid === build.pid),
      [],
      'its dead child is not listed',
    );
    process.kill(build.pid, 'SIGSTOP');
    const stopped = await eventually(() =>
      listProcesses(container.dir).find((process) => process.pid === build.pid && isStopped(process)),
    );
    assert.ok(isAlive(stopped));
    process.kill(build.pid, 'SIGKILL');
    await container.ended;
    assert.equal(isAlive(stopped), false);
    assert.equal(findRunner(container.dir, container.runnerNsPid), null);
  });

  it(
    'lists a process whose first thread has ended',
    { skip: !hasThreads && 'no perl threads' },
    async (t) => {
      const container = await tinyContainer(t, {
        script: `#!/usr/bin/perl
use threads;
require "syscall.ph";
threads->create(sub { open F, ">", "ready"; print F "1\\n"; close F; sleep 1 while 1 })->detach;
syscall(&SYS_exit, 0);
`,
      });
      await container.waitFor('ready');
      const runner = findRunner(container.dir, container.runnerNsPid);
      const isOfThread = ({ parentPid, procDir }: ContainerProcess): boolean =>
        parentPid === runner?.pid && procDir.includes('/task/');
      const build = await eventually(() => listProcesses(container.dir).find(isOfThread));
      assert.match(build.executable ?? '', /perl/);
      assert.notEqual(build.state, 'Z');
    },
  );

  it('does not list what only has its working directory in the container', async (t) => {
    const container = await tinyContainer(t, { script: 'echo 1 >ready; sleep 1000\n' });
    await container.waitFor('ready');
    const outside = spawn('sleep', ['1000'], { cwd: container.path('work'), stdio: 'ignore' });
    t.after(() => outside.kill('SIGKILL'));
    assert.ok(!listProcesses(container.dir).some(({ pid }) => pid === outside.pid));
  });

  it('does not take a directory for another one whose name starts with its name', async (t) => {
    const container = await tinyContainer(t, { script: 'echo 1 >ready; sleep 1000\n' });
    await container.waitFor('ready');
    const shorter = container.dir.slice(0, -1);
    await mkdir(shorter);
    assert.deepEqual(listProcesses(shorter), []);
  });

  it('refuses the root of the host, and a directory that is not there', async (t) => {
    const dir = await mkdtemp(join(tmpdir(), 'no-container-'));
    t.after(() => rm(dir, { recursive: true }));
    const isNoContainer = (error: unknown) =>
      error instanceof RbmResumeError && error.code === 'NO_SUCH_CONTAINER';
    assert.throws(() => listProcesses('/'), isNoContainer);
    assert.throws(() => findRunner('/proc/self/root', 1), isNoContainer);
    assert.throws(() => listProcesses(join(dir, 'gone')), isNoContainer);
    assert.deepEqual(listProcesses(dir), []);
  });
});
