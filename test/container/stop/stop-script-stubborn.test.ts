import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { RbmResumeError } from '../../../lib/errors.js';
import { stopScript, type StopOptions, type StopReport } from '../../../lib/container/stop/stop-script.js';
import { tinyContainer, type TinyContainer } from './tiny-container.js';

const stop = (
  { dir, runnerNsPid }: TinyContainer,
  options: Pick<StopOptions, 'graceMs'> & Partial<StopOptions>,
): Promise<StopReport> => stopScript({ rootDir: dir, runnerNsPid, ...options });

const READY = `open F, ">", "ready"; print F "1\\n"; close F`;
const DEAF = `$SIG{INT} = $SIG{TERM} = "IGNORE"`;
/** Writes to the file that it is given, and never ends. */
const DEAF_WRITER = `${DEAF}; open O, ">", shift; syswrite O, "part"; ${READY}; sleep 1 while 1`;

describe('stopping what does not want to end', { concurrency: 4 }, () => {
  it('sends SIGTERM to what SIGINT does not end', async (t) => {
    const container = await tinyContainer(t, {
      script: `perl -e '$SIG{INT} = sub { }; ${READY}; sleep 1 while 1'\necho 1 >next\n`,
    });
    await container.waitFor('ready');
    const report = await stop(container, { graceMs: 1_000 });
    assert.deepEqual([report.escalation, report.killed], ['SIGTERM', []]);
    assert.ok(report.durationMs >= 550, `${report.durationMs}`);
  });

  it('wakes a program that stops itself', async (t) => {
    const container = await tinyContainer(t, {
      script: `perl -e '$SIG{INT} = sub { kill "STOP", $$; exit 0 }; ${READY}; sleep 1 while 1'\necho 1 >next\n`,
    });
    await container.waitFor('ready');
    const report = await stop(container, { graceMs: 5_000 });
    assert.deepEqual([report.escalation, report.killed], ['SIGINT', []]);
  });

  it('kills what hears neither, and removes what it was writing, and only that', async (t) => {
    const script = `echo whole >whole; exec 3<whole\nsh -c 'exec perl writer half & exec perl writer /tmp/other'\n`;
    const container = await tinyContainer(t, { script, files: { writer: DEAF_WRITER } });
    await container.waitFor('ready');
    const report = await stop(container, { graceMs: 1_000 });
    assert.equal(report.escalation, 'SIGKILL');
    assert.deepEqual(report.killed.map(({ command }) => command).sort(), [
      'perl writer /tmp/other',
      'perl writer half',
    ]);
    assert.deepEqual(report.removedFiles, ['/tmp/other', '/work/half']);
    assert.deepEqual((await container.end()).left, ['build', 'ready', 'whole', 'writer']);
  });

  it('lets make end properly after its child was killed', async (t) => {
    const container = await tinyContainer(t, {
      script: `make 2>&1 | tee log\necho 1 >next\n`,
      files: { writer: DEAF_WRITER, Makefile: `out:\n\tperl writer out; echo rest >>out\n` },
    });
    await container.waitFor('ready');
    const report = await stop(container, { graceMs: 1_000 });
    assert.deepEqual(
      report.killed.map(({ command }) => command),
      ['perl writer out'],
    );
    assert.deepEqual((await container.end()).left, ['Makefile', 'build', 'log', 'ready', 'writer']);
    assert.match((await container.read('log')) ?? '', /\*\*\*/);
  });

  it('removes what the dead children of a killed program were writing', async (t) => {
    const child = `open O, ">", "target"; syswrite O, "part"; ${READY}; sleep 1000`;
    const container = await tinyContainer(t, {
      script: `perl maker\n`,
      files: {
        child,
        maker: `${DEAF}; if (!fork) { $SIG{INT} = "DEFAULT"; exec "perl", "child" } sleep 1 while 1`,
      },
    });
    await container.waitFor('ready');
    const report = await stop(container, { graceMs: 1_000 });
    assert.deepEqual(
      report.killed.map(({ command }) => command),
      ['perl maker'],
    );
    assert.deepEqual(report.removedFiles, ['/work/target']);
  });

  it('ends what comes up meanwhile, and runs no line of a new shell', async (t) => {
    const handler = `system("sh -c 'sleep 1; echo 1 >next' & setsid sleep 1000 &"); exec "sleep", "1001"`;
    const container = await tinyContainer(t, {
      script: `perl -e '$SIG{INT} = sub { ${handler.replaceAll("'", "'\\''")} }; ${READY}; sleep 1 while 1'\n`,
    });
    await container.waitFor('ready');
    const report = await stop(container, { graceMs: 3_000 });
    assert.ok(report.processes >= 4, String(report.processes));
    assert.deepEqual(container.scriptAlive(), []);
    await container.end();
    assert.equal(await container.read('next'), null);
  });

  it('runs no line of a shell that a program becomes when it is asked to end', async (t) => {
    const container = await tinyContainer(t, {
      script: `perl changing\n`,
      files: {
        changing: `$SIG{INT} = sub { exec "sh", "-c", "perl polite; echo 1 >next" }; ${READY}; sleep 1 while 1`,
        polite: `$SIG{INT} = sub { exit 0 }; sleep 1 while 1`,
      },
    });
    await container.waitFor('ready');
    const report = await stop(container, { graceMs: 5_000 });
    assert.deepEqual(report.killed, []);
    assert.deepEqual((await container.end()).left, ['build', 'changing', 'polite', 'ready']);
  });

  it('names what not even SIGKILL ends, after it has ended all the rest', async (t) => {
    const container = await tinyContainer(t, {
      script: `mkfifo linger; sleep 1000 & echo 1 >ready; sleep 1001\n`,
    });
    await container.waitForProcess('sleep 1001');
    const immortal = await container.waitForProcess('sleep 1000');
    const sendSignal = (pid: number, signal: NodeJS.Signals): void => {
      if (pid !== immortal.pid || signal === 'SIGSTOP') process.kill(pid, signal);
    };
    const clock = {
      now: () => performance.now() * 20,
      sleep: () => new Promise((done) => setTimeout(done, 5)),
    };
    await assert.rejects(stop(container, { graceMs: 1_000, sendSignal, clock }), (error) => {
      assert.ok(error instanceof RbmResumeError);
      assert.equal(error.code, 'STILL_ALIVE');
      assert.equal(error.fields.pids, String(immortal.pid));
      return true;
    });
    assert.equal((await container.end()).status, 137);
  });

  it('copes with the death of the whole container meanwhile', async (t) => {
    const container = await tinyContainer(t, {
      script: `perl writer half & perl writer half2\n`,
      files: { writer: DEAF_WRITER },
    });
    await container.waitFor('ready');
    setTimeout(() => container.kill(), 500);
    const report = await stop(container, { graceMs: 3_000 });
    assert.equal(report.wasRunning, true);
    assert.ok(report.durationMs < 3_000, `${report.durationMs}`);
    assert.deepEqual(container.scriptAlive(), []);
  });

  it('ends the script all the same when it fails on the way', async (t) => {
    // What runs in the background hears no SIGINT, so there has to be something else by then.
    const container = await tinyContainer(t, { script: `sleep 1000 & perl -e '${READY}; sleep 1001'\n` });
    await container.waitFor('ready');
    let hasFailed = false;
    const sendSignal = (pid: number, signal: NodeJS.Signals): void => {
      if (signal !== 'SIGINT' || hasFailed) return void process.kill(pid, signal);
      hasFailed = true;
      throw Object.assign(new Error('not permitted'), { code: 'EPERM' });
    };
    await assert.rejects(stop(container, { graceMs: 5_000, sendSignal }), /not permitted/);
    assert.equal((await container.end()).status, 137);
  });

  it('lets a script run on that it cannot freeze', async (t) => {
    const container = await tinyContainer(t, {
      script: `echo 1 >ready; while [ ! -e go ]; do sleep 0.05; done; echo 1 >next\n`,
    });
    await container.waitFor('ready');
    let hasFailed = false;
    const sendSignal = (pid: number, signal: NodeJS.Signals): void => {
      process.kill(pid, signal);
      if (hasFailed) return;
      hasFailed = true;
      throw Object.assign(new Error('not permitted'), { code: 'EPERM' });
    };
    await assert.rejects(stop(container, { graceMs: 1_000, sendSignal }), /not permitted/);
    await writeFile(container.path('work/go'), '');
    assert.deepEqual(await container.end(), { status: 0, left: ['build', 'go', 'next', 'ready'] });
  });

  it('lets a script run on when the caller thinks better of it', async (t) => {
    const container = await tinyContainer(t, {
      script: `echo 1 >ready; while [ ! -e go ]; do sleep 0.05; done; echo 1 >next\n`,
    });
    await container.waitFor('ready');
    const onFrozen = () => Promise.reject(new Error('the disk is full'));
    await assert.rejects(stop(container, { graceMs: 1_000, onFrozen }), /the disk is full/);
    await writeFile(container.path('work/go'), '');
    assert.equal((await container.end()).status, 0);
  });

  it('leaves alone what is above the script and goes on meanwhile', async (t) => {
    const goOn = (who: string): string => `sleep 0.2 && echo 1 >${who}-went-on\n`;
    const container = await tinyContainer(t, {
      // The script itself ends when the time is short, and its job only when it is over.
      script: `perl writer half & exec sleep 1000\n`,
      files: {
        writer: DEAF_WRITER,
        after: goOn('runner'),
        'after-login': goOn('login'),
        'after-run': goOn('first'),
      },
    });
    await container.waitFor('ready');
    await stop(container, { graceMs: 3_000 });
    for (const who of ['runner', 'login', 'first']) {
      assert.notEqual(await container.read(`${who}-went-on`), null, who);
    }
    assert.deepEqual(container.scriptAlive(), []);
  });
});
