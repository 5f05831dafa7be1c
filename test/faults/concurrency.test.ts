import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes, randomInt } from 'node:crypto';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { packBase } from '../../fixtures/trees/base-tarball.js';
import { faketimeLibrary } from '../../fixtures/requirements.js';
import { removeTree } from '../../lib/rootfs/move-tree.js';
import { listSnapshots } from '../../lib/snapshot/open-store.js';
import { GENERATIONS_KEPT } from '../../lib/snapshot/refs.js';
import { verifyStore } from '../../lib/snapshot/verify.js';
import { collectGarbage } from '../../lib/store/gc.js';
import { withStoreLock } from '../../lib/store/lock.js';
import { storePaths, type StorePaths } from '../../lib/store/paths.js';
import { packageDir } from '../rbm/workspace.js';
import { checkReferences } from '../store/oci-images.js';
import type { Report } from './store-worker.js';

const isLong = process.env.EVERYWHERE === '1';
const PROCESSES = isLong ? 16 : 4;
/** Of each process, however often it is killed. */
const ROUNDS = isLong ? 200 : 7;
const MAX_KILLS = isLong ? 400 : 4;
const LONGEST_STOP_MS = isLong ? 3000 : 1000;
/** What the clocks of the processes are ahead, in hours. */
const CLOCKS = [0, 7, -5, 0.5];

type Saved = Extract<Report, { did: 'saved' }>;

let root: string;
let paths: StorePaths;
let base: string;
before(async () => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'rbm-resume-concurrency-')));
  paths = storePaths(join(root, 'store'));
  mkdirSync(join(root, 'origin', 'usr'), { recursive: true });
  writeFileSync(join(root, 'origin', 'usr', 'tool'), randomBytes(50_000));
  const plan = { format: 'posix', hasXattrs: false, isSparse: false, compression: 'zst' } as const;
  base = await packBase(join(root, 'origin'), join(root, 'base'), plan);
});
after(() => removeTree(root));

/** One of the processes: started anew with the rounds that are left whenever it has been killed. */
class Worker {
  readonly reports: Report[] = [];
  child: ChildProcess | null = null;
  isStopped = false;
  /** It is not killed before it has reported so often: nothing would come of one that has only begun. */
  safeUntil = 1;
  readonly #number: number;
  #isEnded = false;

  constructor(number: number) {
    this.#number = number;
  }

  async run(): Promise<void> {
    for (let life = 0; this.reports.length < ROUNDS && !this.#isEnded; life += 1) {
      const child = this.#start(join(root, `work-${this.#number}-${life}`));
      this.child = child;
      const lines = createInterface({ input: child.stdout! });
      lines.on('line', (line) => this.reports.push(JSON.parse(line) as Report));
      const [status, signal] = (await once(child, 'close')) as [number | null, string | null];
      this.child = null;
      this.isStopped = false;
      assert.ok(
        status === 0 || signal === 'SIGKILL',
        `process ${this.#number} ended with ${status ?? signal}`,
      );
      if (status === 0) break;
    }
  }

  #start(work: string): ChildProcess {
    const program = join(packageDir, 'test', 'faults', 'store-worker.ts');
    const hours = CLOCKS[this.#number % CLOCKS.length]!;
    const args = [paths.root, work, base, `p${this.#number}`, String(ROUNDS - this.reports.length)];
    return spawn(process.execPath, ['--import', 'tsx', program, ...args], {
      cwd: packageDir,
      // A group of its own, so that a signal can meet it with all that it has started.
      detached: true,
      stdio: ['ignore', 'pipe', 'inherit'],
      env: {
        ...process.env,
        ...(hours === 0
          ? {}
          : { LD_PRELOAD: faketimeLibrary(), FAKETIME: `${hours < 0 ? '' : '+'}${hours * 3600}` }),
        ...{ DONT_FAKE_MONOTONIC: '1', NO_FAKE_STAT: '1' },
      },
    });
  }

  /** Ends it for good. */
  end(): void {
    this.#isEnded = true;
    this.signal('SIGKILL', 'group');
  }

  /** To the process alone, or to its whole group. */
  signal(signal: NodeJS.Signals, to: 'process' | 'group'): void {
    const pid = this.child?.pid;
    if (pid === undefined) return;
    try {
      process.kill(to === 'group' ? -pid : pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }
}

/** Stops, lets go on and kills processes at random until told to end. */
async function disturb(
  workers: readonly Worker[],
  isOver: () => boolean,
): Promise<{ kills: number; stops: number }> {
  const counts = { kills: 0, stops: 0 };
  const pending = new Set<Promise<void>>();
  while (!isOver()) {
    await sleep(randomInt(50, 400));
    const alive = workers.filter(({ child, isStopped }) => child !== null && !isStopped);
    const worker = alive[randomInt(Math.max(1, alive.length))];
    if (worker === undefined) continue;
    const to = randomInt(2) === 0 ? 'process' : 'group';
    if (randomInt(5) === 0 && counts.kills < MAX_KILLS && worker.reports.length >= worker.safeUntil) {
      worker.safeUntil = worker.reports.length + 2;
      worker.signal('SIGKILL', to);
      counts.kills += 1;
      continue;
    }
    const { child } = worker;
    worker.isStopped = true;
    worker.signal('SIGSTOP', to);
    counts.stops += 1;
    const goOn = sleep(randomInt(20, LONGEST_STOP_MS)).then(() => {
      if (worker.child !== child) return;
      worker.signal('SIGCONT', 'group');
      worker.isStopped = false;
    });
    pending.add(goOn);
    void goOn.then(() => pending.delete(goOn));
  }
  await Promise.all(pending);
  return counts;
}

const savesOf = (workers: readonly Worker[]): Saved[] =>
  workers.flatMap(({ reports }) => reports.filter((report): report is Saved => report.did === 'saved'));

/** Every acknowledged snapshot is there, or so many newer ones are that it had to go; every reference leads to whole blobs. */
async function check(workers: readonly Worker[]): Promise<void> {
  const saves = savesOf(workers);
  await withStoreLock(paths, async () => {
    const there = await listSnapshots(paths);
    checkReferences(paths.root);
    for (const { hash, generation, digest } of saves) {
      const ofHash = there.filter((entry) => entry.hash === hash);
      const found = ofHash.find((entry) => entry.digest === digest);
      const newer = ofHash.filter((entry) => entry.generation > generation);
      assert.ok(
        found?.generation === generation || newer.length >= GENERATIONS_KEPT,
        `${hash}@${generation} was acknowledged and is gone; there are ${ofHash.map((entry) => entry.generation).join(', ')}`,
      );
    }
  });
  const numbers = saves.map(({ hash, generation }) => `${hash}@${generation}`);
  assert.equal(new Set(numbers).size, numbers.length, 'a generation was given out twice');
}

/** Blobs that no other one names: listings are named in annotations, which only we know of. */
function findGarbage(): string[] {
  const small = readdirSync(paths.blobs)
    .map((name) => join(paths.blobs, name))
    .filter((file) => statSync(file).size < 100_000);
  const named = small.map((file) => readFileSync(file, 'latin1')).join('\n');
  return checkReferences(paths.root).filter((hex) => !named.includes(`sha256:${hex}`));
}

describe(`a store on which ${PROCESSES} processes work at once`, () => {
  it('loses nothing when they are stopped and killed at random and their clocks are hours off', async (t) => {
    const workers = Array.from({ length: PROCESSES }, (_, number) => new Worker(number));
    let isOver = false;
    const ends = Promise.all(workers.map((worker) => worker.run())).finally(() => (isOver = true));
    const disturbed = disturb(workers, () => isOver);
    const checked = (async () => {
      while (!isOver) {
        await Promise.race([sleep(isLong ? 20_000 : 4000), ends]);
        await check(workers);
      }
    })();
    const [counts] = await Promise.all([disturbed, ends, checked]).finally(async () => {
      workers.forEach((worker) => worker.end());
      await ends;
    });

    const reports = workers.flatMap((worker) => worker.reports);
    const told = (did: Report['did']) => reports.filter((report) => report.did === did);
    assert.deepEqual(told('wrong'), []);
    const summary = ['saved', 'restored', 'exported', 'listed', 'collected', 'refused'] as const;
    t.diagnostic(
      `${summary.map((did) => `${told(did).length} ${did}`).join(', ')}; ${counts.kills} kills, ${counts.stops} stops`,
    );
    assert.ok(counts.stops > 0 && told('saved').length > 0, 'nothing has happened');

    const { stagingFolders } = await collectGarbage(paths);
    t.diagnostic(`${stagingFolders} staging folders of the dead were left`);
    assert.deepEqual(findGarbage(), [], 'garbage is left');
    assert.deepEqual(readdirSync(paths.stagingRoot), []);
    assert.ok(!existsSync(paths.quarantineRoot), 'something healthy was taken out of use');
    assert.deepEqual(readdirSync(paths.root).sort(), ['.rbm-resume', 'blobs', 'index.json', 'oci-layout']);
    await check(workers);
    assert.deepEqual((await verifyStore(paths.root, { readData: true })).findings, []);
    assert.ok(!existsSync(paths.visibleLock));
  });
});
