import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { isStopped } from '../../../lib/container/stop/process-status.js';
import { findRunner } from '../../../lib/container/stop/processes.js';
import { ScriptTree, SYSTEM_CLOCK } from '../../../lib/container/stop/script-tree.js';
import { tinyContainer, type TinyContainer } from './tiny-container.js';

function treeOf({ dir, runnerNsPid }: TinyContainer): ScriptTree {
  const runner = findRunner(dir, runnerNsPid);
  assert.ok(runner);
  const sendSignal = (pid: number, signal: NodeJS.Signals): void => void process.kill(pid, signal);
  return new ScriptTree({ rootDir: dir, runner, clock: SYSTEM_CLOCK, sendSignal });
}

describe('freezing a script', { concurrency: 2 }, () => {
  it('has stopped all of it when it is done, so that nothing new comes up', async (t) => {
    const storm = `echo 1 >ready\nwhile :; do sleep 0.01 & done 2>/dev/null\n`;
    const container = await tinyContainer(t, { script: storm });
    await container.waitFor('ready');
    await sleep(100);
    const tree = treeOf(container);
    await tree.freeze(5_000);
    for (const { process } of tree.members.living) assert.ok(isStopped(process), process.command.join(' '));
    const frozen = container.scriptAlive();
    assert.equal(frozen.length, tree.members.living.length);
    await sleep(100);
    assert.deepEqual(container.scriptAlive(), frozen);
  });

  it('lets all run again that it has stopped, and nothing that was stopped before', async (t) => {
    const container = await tinyContainer(t, {
      script: `sleep 1000 &\nsleep 0.3\nkill -STOP $!\nsleep 1001\n`,
    });
    await container.waitForProcess('sleep 1001');
    const tree = treeOf(container);
    await tree.freeze(5_000);
    tree.thaw();
    await sleep(100);
    const states = tree.members.living.map(({ process }) => {
      const stat = readFileSync(`/proc/${process.pid}/stat`, 'utf8');
      return `${process.command[1]} ${stat.split(') ')[1]?.charAt(0)}`;
    });
    assert.deepEqual(states.sort(), ['./build S', '1000 T', '1001 S']);
  });

  it('finds nothing open in a container that has died meanwhile', async (t) => {
    const container = await tinyContainer(t, { script: `sleep 1000\n` });
    await container.waitForProcess('sleep 1000');
    const tree = treeOf(container);
    await tree.freeze(5_000);
    container.kill();
    await container.ended;
    assert.equal((await tree.openFilesOf(tree.members.all)).size, 0);
  });

  it('knows what stood above a process after those between have died', async (t) => {
    const container = await tinyContainer(t, {
      script: `bash -c 'perl -e "sleep 1000" & wait; :'\n:\n`,
    });
    await container.waitForProcess('perl -e sleep 1000');
    const tree = treeOf(container);
    await tree.freeze(5_000);
    const named = (word: string) =>
      tree.members.all.find(({ process }) => process.command.join(' ').startsWith(word));
    const [shell, perl] = [named('bash -c'), named('perl')];
    assert.ok(shell && perl);
    tree.send(shell, 'SIGKILL');
    await sleep(100);
    tree.refresh();
    assert.equal(shell.isLiving, false);
    assert.equal(perl.isLiving, true);
    assert.deepEqual(perl.ancestors.includes(shell), true);
    const [top] = tree.members.living.filter(({ isTop }) => isTop);
    const ordered = tree.members.ordered().find(({ pid }) => pid === perl.process.pid);
    assert.deepEqual(ordered?.ancestors, [top?.process.pid]);
  });
});
