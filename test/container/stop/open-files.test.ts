import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { describe, it } from 'node:test';
import { isBeingWritten, readOpenFiles, type OpenFile } from '../../../lib/container/stop/open-files.js';
import { findRunner, listProcesses } from '../../../lib/container/stop/processes.js';
import { tinyContainer, type TinyContainer } from './tiny-container.js';

async function openFilesOfScript(container: TinyContainer): Promise<ReadonlyMap<number, OpenFile>> {
  await container.waitFor('ready');
  const runner = findRunner(container.dir, container.runnerNsPid);
  assert.ok(runner);
  const script = listProcesses(container.dir).filter(({ parentPid }) => parentPid === runner.pid);
  const open = await readOpenFiles(script, { namespaceOf: runner.pid });
  return new Map((open.get(script[0]?.pid ?? 0) ?? []).map((file) => [file.fd, file]));
}

describe('reading what processes have open', { concurrency: 4 }, () => {
  it('tells ways, kinds and places, whatever a name holds', async (t) => {
    const script = `
exec 10>'a
b' 11>'kept (deleted)' 12>gone 13<build 14<>both 15>/dev/null 16>>$'not \\xff text'
rm gone
mkfifo fifo
exec 17<>fifo
echo 1 >ready
exec sleep 1000
`;
    const container = await tinyContainer(t, { script });
    const open = await openFilesOfScript(container);
    const written = [...open].filter(([, file]) => isBeingWritten(file, container.dir));
    const inside = (path: Buffer) => path.toString('latin1').slice(container.dir.length);
    assert.deepEqual(written.map(([fd, { path }]) => [fd, inside(path)]).sort(), [
      [10, '/work/a\nb'],
      [11, '/work/kept (deleted)'],
      [14, '/work/both'],
      [16, '/work/not \xff text'],
    ]);
    assert.deepEqual(
      [open.get(12)?.links, open.get(12)?.kind, open.get(12)?.canWrite],
      [0, 'file', true],
      'a deleted file is no longer there',
    );
    assert.deepEqual([open.get(13)?.canRead, open.get(13)?.canWrite], [true, false]);
    assert.deepEqual([open.get(14)?.canRead, open.get(14)?.canWrite], [true, true]);
    assert.deepEqual([open.get(15)?.kind, open.get(17)?.kind], ['other', 'pipe']);
    const { dev, ino } = statSync(container.path('work/both'));
    assert.equal(open.get(14)?.id, `${dev}:${ino}`);
  });

  it('tells which end of a pipe a process holds, the same pipe for both', async (t) => {
    const script = `#!/usr/bin/perl
$^F = 99;
pipe R, W; pipe S, X; close X;
open F, ">", "fds"; print F join(" ", map { fileno $_ } *R, *W, *S), "\\n"; close F;
open F, ">", "ready"; print F "1\\n"; close F;
sleep 1000;
`;
    const container = await tinyContainer(t, { script });
    const open = await openFilesOfScript(container);
    const [r, w, s] = (await container.waitFor('fds')).split(' ').map((fd) => open.get(Number(fd)));
    assert.ok(r && w && s);
    assert.deepEqual([r.kind, r.canRead, r.canWrite], ['pipe', true, false]);
    assert.deepEqual([w.kind, w.canRead, w.canWrite], ['pipe', false, true]);
    assert.equal(r.id, w.id);
    assert.notEqual(r.id, s.id);
  });

  it('knows of nothing that is open in a process that has died', async (t) => {
    const container = await tinyContainer(t, { script: 'echo 1 >ready; sleep 1000\n' });
    await container.waitFor('ready');
    const runner = findRunner(container.dir, container.runnerNsPid);
    assert.ok(runner);
    const dead = { ...runner, pid: 2 ** 22 + 1, procDir: `/proc/${2 ** 22 + 1}` };
    const open = await readOpenFiles([dead, runner], { namespaceOf: runner.pid });
    assert.deepEqual([...open.keys()], [runner.pid]);
  });

  it('says so when it cannot look', async (t) => {
    const container = await tinyContainer(t, { script: 'echo 1 >ready; sleep 1\n' });
    const runner = findRunner(container.dir, container.runnerNsPid);
    assert.ok(runner);
    await container.ended;
    await assert.rejects(readOpenFiles([runner], { namespaceOf: runner.pid }), { code: 'COMMAND_FAILED' });
  });
});
