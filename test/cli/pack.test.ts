import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { park } from '../../lib/container/park.js';
import type { RunEvent } from '../../lib/container/run-directory.js';
import { readIdMap } from '../../lib/id-map.js';
import { storePaths } from '../../lib/store/paths.js';
import { packageDir } from '../rbm/workspace.js';
import { HASH, makeSmall, OTHER_HASH, recordOf, root, type Small } from '../snapshot/small-snapshots.js';
import { withoutProgress } from './without-progress.js';

const COMMAND = [join(packageDir, 'dist', 'cli', 'main.js')];

describe('pack', { timeout: 1_200_000 }, () => {
  let small: Small;
  const run = (...args: string[]) =>
    spawnSync(process.execPath, [...COMMAND, '--store', small.store, ...args], {
      cwd: root,
      encoding: 'utf8',
    });

  before(async () => {
    small = await makeSmall();
    await small.change('perl -MIO::Socket::UNIX -e "IO::Socket::UNIX->new(Local => q(socket), Listen => 1)"');
    const paths = storePaths(small.store);
    const live = paths.live('first');
    mkdirSync(live.dir, { recursive: true });
    const { parkedAt, ...record } = recordOf(HASH);
    void parkedAt;
    const here = { workspace: null, container: small.rootfs, idMap: await readIdMap(), jobClass: 'pr/7' };
    await park(paths, {
      container: small.rootfs,
      live,
      inputsDir: null,
      record: { ...record, ...here, inputs: null, baseline: null, image: null, snapshot: null },
    });
  });

  /** A stand-in for rbm: an interrupted build whose exit hook has told the run what was kept. */
  const runPack = (event: Partial<RunEvent>, ...options: string[]) => {
    const told: RunEvent = {
      project: 'hello',
      hash: HASH,
      outcome: 'interrupted',
      kept: true,
      lost: false,
      resumed: false,
      scriptCpuSeconds: null,
      container: '/nowhere',
      store: small.store,
      ...event,
    };
    const script = join(root, 'rbm');
    writeFileSync(script, `echo '${JSON.stringify(told)}' >> "$RBM_RESUME_RUN/events"; exit 1\n`);
    return run('run', '--pack', ...options, '--', 'sh', script);
  };

  it('restore copies what is parked while there is no snapshot', () => {
    const { status, stdout } = run('restore', HASH.slice(0, 6), join(root, 'copy'));
    assert.deepEqual([status, stdout], [0, `copied what is parked under ${HASH} to ${join(root, 'copy')}\n`]);
  });

  it('signs as the work of the class that parked it alone', () => {
    const key = join(root, 'key');
    assert.equal(run('keygen', key).status, 0);
    for (const jobClass of ['pr/8', 'branch', 'release']) {
      const { status, stderr } = run('pack', HASH, '--sign-key', key, '--class', jobClass);
      assert.equal(status, 64);
      assert.match(
        stderr,
        new RegExp(`was made by a job of class pr/7, and can't be signed as the work of class ${jobClass}`),
      );
    }
    const all = run('pack', '--all', '--sign-key', key, '--class', 'branch');
    assert.equal(all.status, 0);
    assert.match(all.stderr, /was made by a job of class pr\/7/);
    assert.ok(!existsSync(storePaths(small.store).index));
  });

  it('tells what it packed, and on standard error what it left out', () => {
    const { status, stdout, stderr } = run('pack', '--all', '--json');
    assert.deepEqual([status, withoutProgress(stderr)], [0, 'rbm-resume: hello: left out: 1 sockets\n']);
    const { packed } = JSON.parse(stdout) as { packed: Record<string, unknown>[] };
    const { seconds, digest, bytes, ...one } = packed[0] ?? {};
    assert.ok(typeof seconds === 'number' && /^sha256:/.test(String(digest)) && Number(bytes) > 0);
    assert.deepEqual(one, {
      how: 'packed',
      store: small.store,
      hash: HASH,
      generation: 1,
      project: 'hello',
      entries: 7,
      changed: 7,
      removed: 0,
      leftOut: { sockets: 1, devices: 0 },
      hadParent: false,
    });
    assert.match(run('pack', 'abab').stdout, /^already packed: abababababababab@1 \(hello\)\n$/);
    assert.match(run('list').stdout, /parked +-[^]*snapshot +1 /);
  });

  it('run --pack packs what the run has kept, and ends with 75', () => {
    const { status, stdout, stderr } = runPack({}, '--json');
    const { packed, exitStatus } = JSON.parse(stdout) as { packed: { hash: string }[]; exitStatus: number };
    assert.deepEqual([status, exitStatus, packed.map(({ hash }) => hash)], [75, 75, [HASH]]);
    assert.match(stderr, /already packed/);
  });

  it('run --pack that cannot pack ends with the status of that error', () => {
    const { status, stderr } = runPack({ hash: OTHER_HASH });
    assert.equal(status, 66);
    assert.match(stderr, /interrupted and kept/);
    assert.match(stderr, /NOT_KEPT/);
  });
});
