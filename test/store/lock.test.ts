import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { tryFileLock, withFileLock, withStoreLock } from '../../lib/store/lock.js';
import { storePaths, type StorePaths } from '../../lib/store/paths.js';
import { packageDir } from '../rbm/workspace.js';

let root: string;
before(() => {
  root = mkdtempSync(join(tmpdir(), 'rbm-resume-lock-'));
});
after(() => rmSync(root, { recursive: true }));

const HOUR = 3600;
const inHours = (hours: number): Date => new Date(Date.now() + hours * HOUR * 1000);

describe('the store’s lock', () => {
  it('lets one process at a time in, also when the visible lock is taken away', async () => {
    const store = join(root, 'locked');
    const log = join(store, 'log');
    mkdirSync(store);
    // Each writer appends BEGIN and END; the visible lock is removed by force all the while.
    const script = `
      import { appendFileSync, rmSync } from 'node:fs';
      import { setTimeout } from 'node:timers/promises';
      import { withStoreLock } from '${packageDir}/dist/store/lock.js';
      import { storePaths } from '${packageDir}/dist/store/paths.js';
      const paths = storePaths(process.argv[1]);
      for (let i = 0; i < 5; i += 1) await withStoreLock(paths, async () => {
        appendFileSync(process.argv[2], 'BEGIN\\n');
        rmSync(paths.visibleLock, { recursive: true, force: true });
        await setTimeout(10);
        appendFileSync(process.argv[2], 'END\\n');
      });`;
    const writers = Array.from({ length: 6 }, () =>
      spawn(process.execPath, ['--input-type=module', '-e', script, store, log], { stdio: 'inherit' }),
    );
    const statuses = await Promise.all(
      writers.map((child) => new Promise((resolve) => child.on('close', resolve))),
    );
    assert.deepEqual(statuses, [0, 0, 0, 0, 0, 0]);
    assert.equal(readFileSync(log, 'utf8'), 'BEGIN\nEND\n'.repeat(30));
  });

  it('is free again after an error', async () => {
    const paths = storePaths(join(root, 'free'));
    await assert.rejects(
      withStoreLock(paths, () => Promise.reject(new Error('mine'))),
      /mine/,
    );
    assert.equal(await withStoreLock(paths, () => Promise.resolve(7)), 7);
  });

  it('shows itself as a directory while it is held, and takes that away', async () => {
    const paths = storePaths(join(root, 'shown'));
    const isShown = () => existsSync(paths.visibleLock) && statSync(paths.visibleLock).isDirectory();
    assert.equal(await withStoreLock(paths, () => Promise.resolve(isShown())), true);
    assert.equal(isShown(), false);
  });

  const leftBehind: Record<string, (paths: StorePaths) => void> = {
    'a directory of a holder that was just killed': ({ visibleLock }) => mkdirSync(visibleLock),
    'a directory from the future': ({ visibleLock }) => {
      mkdirSync(visibleLock);
      utimesSync(visibleLock, inHours(5), inHours(5));
    },
    'a directory from the past': ({ visibleLock }) => {
      mkdirSync(visibleLock);
      utimesSync(visibleLock, inHours(-5), inHours(-5));
    },
    'a directory with a file in it': ({ visibleLock }) => {
      mkdirSync(visibleLock);
      writeFileSync(join(visibleLock, 'mine'), '');
    },
    'a file in the place of the directory': ({ visibleLock }) => writeFileSync(visibleLock, ''),
  };
  for (const [what, leave] of Object.entries(leftBehind)) {
    it(`keeps nobody out for ${what}`, { timeout: 20_000 }, async () => {
      const paths = storePaths(join(root, what.replaceAll(' ', '-')));
      mkdirSync(paths.state, { recursive: true });
      leave(paths);
      let turns = 0;
      // Nobody touches the visible lock in between; a wait for it would end the test by its timeout.
      for (; turns < 3; turns += 1) await withStoreLock(paths, () => Promise.resolve());
      assert.equal(turns, 3);
      const isReplaced = what.startsWith('a directory') && !what.includes('file');
      assert.equal(existsSync(paths.visibleLock), !isReplaced);
    });
  }
});

describe('a lock on a file', () => {
  it('is refused with the file’s name when another process holds it all the while', async () => {
    const file = join(root, 'held');
    const holder = spawn('flock', ['--no-fork', file, 'sh', '-c', 'echo held; exec sleep 600'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(holder.stdout, 'data');
    try {
      await assert.rejects(
        withFileLock(file, () => Promise.reject(new Error('it was let in')), 1),
        (error: Error & { code?: string; hint?: string }) => {
          assert.equal(error.code, 'STORE_BUSY');
          assert.ok(error.message.includes(file) && error.message.includes('1 s'), error.message);
          assert.ok(error.hint?.includes(`fuser -v ${file}`));
          return true;
        },
      );
    } finally {
      holder.kill('SIGKILL');
    }
    await once(holder, 'close');
    assert.equal(await withFileLock(file, () => Promise.resolve('free'), 10), 'free');
  });

  it('is taken on the file that is there, not on one that was removed while it was waited for', async () => {
    const file = join(root, 'removed');
    const old = await open(file, 'a');
    assert.ok(await tryFileLock(old));
    let waiting: Promise<boolean> | undefined;
    try {
      waiting = withFileLock(file, async () => {
        // Another one that comes now must find it locked.
        const other = await open(file, 'a');
        try {
          return await tryFileLock(other);
        } finally {
          await other.close();
        }
      });
      await new Promise((resolve) => setTimeout(resolve, 300));
      rmSync(file);
    } finally {
      await old.close();
    }
    assert.equal(await waiting, false);
  });
});
