import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { listProcesses } from '../../lib/container/stop/processes.js';
import { TrapWorkspace } from '../rbm/trap-workspace.js';
import { packageDir, rbmsUnderTest } from '../rbm/workspace.js';

const standIn = { name: 'the stand-in', dir: join(packageDir, 'fixtures', 'rbm') };
const project = {
  pre: '#!/bin/sh\ntrue',
  build: 'echo BUILDING; sleep 0.5; echo out > "[% dest_dir %]/[% c("filename") %]"',
  post: '#!/bin/sh\ntrue',
};
/** Before and after a container is there, while its script runs, and when its output is out; EVERYWHERE=1: at each step of rbm's. */
const STEPS =
  process.env.EVERYWHERE === '1'
    ? ['start', 'mktemp-1', 'mktemp-2', 'put', 'pre', 'build', 'post', 'get', 'clean', 'finish']
    : ['mktemp-2', 'put', 'build', 'finish'];

describe('kill -9 of rbm', () => {
  for (const step of STEPS) {
    it(`right before ${step}: the next run starts clean, says what it found, and prune removes that`, async () => {
      const w = new TrapWorkspace(standIn, { killed: project });
      try {
        const first = await w.build('killed', { RBM_STAND_IN_KILL_AT: step }).ended;
        assert.equal(first.signal, 'SIGKILL', first.output);
        const left = w.containers();
        const next = await w.build('killed').ended;
        assert.equal(next.status, 0, next.output);
        assert.equal(w.output('killed'), 'out\n');
        if (left.length > 0) {
          assert.match(next.output, /an earlier build of killed was killed/);
          assert.ok(next.output.includes(String(left[0])), next.output);
          const status = await w.command('status');
          assert.match(status.output, /killed-build of killed/);
        }
        const pruned = await w.command('prune');
        assert.equal(pruned.status, 0, pruned.output);
        assert.deepEqual(w.containers(), []);
        assert.doesNotMatch((await w.command('status')).output, /killed-build/);
      } finally {
        await w.remove();
      }
    });
  }

  for (const rbm of rbmsUnderTest()) {
    it(`during the build script of ${rbm.name}: what goes on in the container is stopped by prune`, async () => {
      const w = new TrapWorkspace(rbm, { killed: { build: 'echo BUILDING; sleep 1000' } });
      let writer: ChildProcess | null = null;
      try {
        const run = w.build('killed');
        await w.untilLogged('killed', 'BUILDING');
        run.child.kill('SIGKILL');
        await run.ended;
        const [container] = w.containers();
        assert.ok(container !== undefined && existsSync(container));
        const left = processesIn(container);
        assert.notDeepEqual(left, [], 'the script goes on without rbm');
        // As what ran the script, which writes to `rbm/cmd` once the script is killed.
        const fill = 'for i in $(seq 10000); do : > "$0/rbm/$i" && sleep 0.0005 || exit; done';
        writer = spawn('sh', ['-c', fill, container], { stdio: 'ignore' });
        const written = once(writer, 'exit');
        const { leftovers } = await w.json<{ leftovers: { what: string; path: string }[] }>('prune');
        assert.deepEqual(
          leftovers.map(({ what, path }) => [what, path]),
          [['killed-build', container]],
        );
        await written;
        assert.ok(!existsSync(container));
        assert.deepEqual(w.containers(), []);
        assert.deepEqual(left.filter(isAlive), []);
      } finally {
        writer?.kill('SIGKILL');
        await w.remove();
      }
    });
  }
});

/** The processes whose root is a container. */
function processesIn(container: string): number[] {
  return listProcesses(container).map(({ pid }) => pid);
}

const isAlive = (pid: number): boolean => existsSync(`/proc/${pid}/exe`);
