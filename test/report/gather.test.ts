import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { spawnSync } from 'node:child_process';
import { before, describe, it } from 'node:test';
import { readFinishedBuilds, readProofFile } from '../../lib/report/read-files.js';
import { gatherReport } from '../../lib/report/report.js';
import { flatten } from '../../lib/report/deltas.js';
import { readIdMap } from '../../lib/id-map.js';
import { keptPathsIn, storePaths, type KeptPaths } from '../../lib/store/paths.js';
import type { Leg } from '../../lib/store/record.js';
import { sealJson } from '../../lib/store/sealed-json.js';
import { STATEMENT_TYPE } from '../../lib/trust/statement.js';
import { buildOf, planOf } from '../plan/plans.js';
import { packageDir } from '../rbm/workspace.js';
import {
  flipByte,
  HASH,
  makeSmall,
  OTHER_HASH,
  recordOf,
  root,
  type Small,
} from '../snapshot/small-snapshots.js';
import { proofOf } from './reports.js';

const [first] = recordOf(HASH).legs;
const storedLeg = (hour: number, more: Partial<Leg> = {}): Leg => ({
  ...(first as Leg),
  startedAt: `2026-01-0${hour}T00:00:00.000Z`,
  endedAt: `2026-01-0${hour}T05:00:00.000Z`,
  ...more,
});

const statementOf = (legs: readonly object[]) => ({
  _type: STATEMENT_TYPE,
  subject: [{ name: 'hello-1.2.tar.gz', digest: { sha256: 'e'.repeat(64) } }],
  predicate: {
    buildDefinition: {
      externalParameters: { project: 'hello', step: 'build', targets: [], version: null, projectHash: HASH },
      internalParameters: { resumed: true, earlierWorkSeconds: 60, legs },
    },
    runDetails: { metadata: { finishedOn: '2026-01-09T01:00:00.000Z' } },
  },
});

describe('gatherReport', { timeout: 600_000 }, () => {
  let small: Small;
  before(async () => {
    small = await makeSmall();
    const place = 'in statement 2 of 9 (line 4): make';
    const [one, lost] = [storedLeg(1), storedLeg(2)];
    await small.change('mkdir -p var/obj; head -c 90000 /dev/urandom > var/obj/a; echo b > etc/b');
    await small.save({ record: { ...recordOf(HASH), legs: [one, lost] } });
    await small.change('head -c 40000 /dev/urandom > var/obj/b');
    const going = storedLeg(3, { place, removedFiles: ['x', 'y'], jobClass: 'branch' });
    await small.save({ record: { ...recordOf(HASH), legs: [one, going] } });
    const other = { ...recordOf(OTHER_HASH), project: 'other' };
    await small.save({ record: other, parent: null, baseline: null, base: null });
  });

  it('has each leg of the store once, and knows which of them the next build goes on in', async () => {
    const { builds, troubles } = await gatherReport({ store: small.store });
    assert.deepEqual(troubles, []);
    assert.deepEqual(
      builds.map(({ project, state, legs }) => [project, state, legs.length]),
      [
        ['hello', 'snapshot', 3],
        ['other', 'snapshot', 1],
      ],
    );
    const legs = builds[0]?.legs ?? [];
    assert.deepEqual(
      legs.map(({ number, fate, isResumed, jobClass, removedFiles }) => [
        ...[number, fate, isResumed, jobClass, removedFiles],
      ]),
      [
        [1, 'kept', false, null, 0],
        [2, 'lost', true, null, 0],
        [3, 'kept', true, 'branch', 2],
      ],
    );
    assert.equal(legs[2]?.place, 'in statement 2 of 9 (line 4): make');
  });

  it('has the size of each delta, and where its files lie', async () => {
    const { builds } = await gatherReport({ store: small.store, project: 'hello' });
    assert.equal(builds.length, 1);
    const snapshot = builds[0]?.snapshot;
    assert.deepEqual([snapshot?.generation, snapshot?.deltas.map(({ number }) => number)], [2, [1, 2]]);
    const sum = snapshot?.deltas.reduce((all, { size }) => all + size, snapshot.baseSize ?? 0);
    assert.equal(sum, snapshot?.size);
    const [one, two] = snapshot?.deltas ?? [];
    assert.deepEqual([one?.legs, two?.legs], [2, 2]);
    assert.deepEqual(
      one?.folders.map(({ path, bytes }) => [path, bytes]),
      [
        ['/var/obj', 90_000],
        ['/', 2],
      ],
    );
    assert.ok((two?.size ?? 0) > 40_000 && (two?.size ?? 0) < 60_000);
  });

  it('takes what is parked for what the next build goes on in, and tells why a tree was set aside', async () => {
    const store = join(root, 'trees');
    const paths = storePaths(store);
    const keep = async (kept: KeptPaths, legs: readonly Leg[]) => {
      mkdirSync(kept.dir, { recursive: true });
      const record = {
        ...{
          ...recordOf(kept === aside ? OTHER_HASH : HASH),
          legs,
          workspace: null,
          idMap: await readIdMap(),
        },
        ...{ container: '/c', bootId: 'b', inode: '1', baseline: null },
      };
      writeFileSync(kept.record, sealJson(record));
    };
    const aside = keptPathsIn(join(paths.setAsideRoot, OTHER_HASH));
    const before = keptPathsIn(join(paths.setAsideRoot, HASH));
    await keep(paths.parked(HASH), [storedLeg(1), storedLeg(3)]);
    await keep(before, [storedLeg(1), storedLeg(2)]);
    await keep(aside, [storedLeg(4)]);
    writeFileSync(join(aside.dir, 'reason'), 'other inputs\n');
    const { builds, troubles } = await gatherReport({ store });
    assert.deepEqual(
      builds.map(({ state, legs }) => [state, legs.map(({ fate }) => fate)]),
      [
        ['parked', ['kept', 'lost', 'kept']],
        ['set-aside', ['lost']],
      ],
    );
    assert.deepEqual(troubles, ['cdcdcdcdcdcdcdcd, set aside: other inputs']);
    assert.equal(builds[0]?.snapshot, null);
  });

  it('names what is damaged, and tells the rest', async () => {
    const broken = await makeSmall();
    await broken.change('echo b > etc/b');
    const { layers } = await broken.save();
    const listing = layers[1]?.listing?.digest.slice('sha256:'.length) ?? '';
    flipByte(join(broken.store, 'blobs', 'sha256', listing));
    const { builds, troubles } = await gatherReport({ store: broken.store });
    assert.equal(builds[0]?.legs.length, 1);
    assert.equal(troubles.length, 1);
    assert.match(troubles[0] ?? '', /^abababababababab@1, layer 1: /);
    assert.deepEqual(builds[0]?.snapshot?.deltas[0]?.folders, []);
  });

  it('is empty for a store that is not there, and makes none', async () => {
    const store = join(root, 'nowhere');
    const { builds, troubles } = await gatherReport({ store });
    assert.deepEqual([builds, troubles], [[], []]);
    assert.throws(() => statSync(store), { code: 'ENOENT' });
  });

  it('takes the legs of a finished build from its provenance, and what the store knows of them', async () => {
    const from = { digest: 'sha256:1', generation: 1, class: 'branch', signedBy: 'k' };
    const legs = [
      { startedAt: '2026-01-01T00:00:00.000Z', class: null, from: null },
      { startedAt: '2026-01-08T00:00:00.000Z', class: 'branch', from },
      { startedAt: '2026-01-09T00:00:00.000Z', class: 'branch', from },
    ];
    const dir = join(root, 'provenance');
    mkdirSync(dir);
    writeFileSync(join(dir, 'hello.provenance.json'), JSON.stringify(statementOf(legs)));
    writeFileSync(join(dir, 'sha256sums.txt'), `${'f'.repeat(64)}  other.tar\n`);
    const finished = await readFinishedBuilds(dir);
    const alone = await gatherReport({ store: join(root, 'nowhere'), finished });
    assert.deepEqual(
      alone.builds.map(({ state, legs: told }) => [state, told.map((leg) => [leg.fate, leg.seconds])]),
      [
        [
          'finished',
          [
            ['kept', null],
            ['kept', null],
            ['finished', 3600],
          ],
        ],
      ],
    );
    assert.deepEqual(
      alone.outputs.map(({ name, resumed, legs: told }) => [name, resumed, told]),
      [
        ['hello-1.2.tar.gz', true, 3],
        ['other.tar', null, null],
      ],
    );
    const both = await gatherReport({ store: small.store, finished, project: 'hello' });
    assert.deepEqual(
      both.builds[0]?.legs.map(({ fate, seconds }) => [fate, seconds]),
      [
        ['kept', 245],
        ['lost', 245],
        ['lost', 245],
        ['kept', null],
        ['finished', 3600],
      ],
    );
  });

  it('takes of each leg what its provenance says of when, where and by whom', async () => {
    const made = { class: null, from: null, stoppedIn: null, place: null, builder: 'https://ci.example/2' };
    const file = join(root, 'told.provenance.json');
    const place = 'in statement 2 of 9 (line 4): make';
    const [one, two, end] = [
      '2026-01-08T00:00:00.000Z',
      '2026-01-08T01:00:00.000Z',
      '2026-01-09T01:00:00.000Z',
    ];
    const legs = [
      { ...made, startedAt: one, endedAt: two, seconds: 3600, stoppedIn: 'build', place, builder: null },
      { ...made, startedAt: two, endedAt: end, seconds: 86_400 },
    ];
    writeFileSync(file, JSON.stringify(statementOf(legs)));
    const [finished] = await readFinishedBuilds(file);
    assert.deepEqual(
      finished?.build?.legs.map((leg) => [leg.endedAt, leg.seconds, leg.stoppedIn, leg.place, leg.builder]),
      [
        [two, 3600, 'build', place, null],
        [end, 86_400, null, null, 'https://ci.example/2'],
      ],
    );
  });

  it('the command writes page and summary, and prints JSON; a bad file costs its part and the exit status', () => {
    const [page, summary, plan, proof] = ['page.html', 'summary.md', 'plan.json', 'proof.json'].map((name) =>
      join(root, name),
    ) as [string, string, string, string];
    writeFileSync(plan, JSON.stringify(planOf([buildOf('hello')])));
    writeFileSync(proof, '{}');
    writeFileSync(summary, 'before\n');
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [
        join(packageDir, 'dist', 'cli', 'main.js'),
        ...['--store', small.store, 'report', '--html', page, '--markdown', summary, '--json'],
        ...['--plan', plan, '--prove', proof],
      ],
      { cwd: root, encoding: 'utf8' },
    );
    assert.equal(status, 77, stderr);
    assert.match(stderr, /proof\.json can't be used/);
    const { builds, proofs } = JSON.parse(stdout) as { builds: unknown[]; proofs: unknown[] };
    assert.deepEqual([builds.length, proofs.length], [2, 0]);
    assert.match(readFileSync(page, 'utf8'), /<h2>Project graph<\/h2>[^]*<h2>Sizes of deltas<\/h2>/);
    assert.match(readFileSync(summary, 'utf8'), /^before\n## rbm-resume: all projects\n/);
    assert.ok(!readdirSync(root).includes('resume'));
  });
});

describe('the files of a report', () => {
  const write = (value: unknown): string => {
    const file = join(root, 'some.json');
    writeFileSync(file, typeof value === 'string' ? value : JSON.stringify(value));
    return file;
  };

  it('are what the other verbs print', async () => {
    assert.deepEqual(await readProofFile(write(proofOf())), proofOf());
  });

  it('are refused where they are something else', async () => {
    for (const bad of [{ ...proofOf(), verdict: 'good' }, { ...proofOf(), runs: [{}] }, 'null'])
      await assert.rejects(readProofFile(write(bad)), { code: 'BAD_STATEMENT' });
    await assert.rejects(readProofFile(join(root, 'nothing')), { code: 'NO_SUCH_FILE' });
  });
});

it('flatten has each file of a delta once', () => {
  const leaf = (path: string, bytes: number) => ({ path, bytes, files: 1, directories: [] });
  const tree = { path: '', bytes: 100, files: 5, directories: [leaf('a', 60), leaf('b\xc3\xa4\n', 30)] };
  assert.deepEqual(flatten(tree), [
    { path: '/a', bytes: 60, files: 1, isRest: false },
    { path: '/bä\\012', bytes: 30, files: 1, isRest: false },
    { path: '/', bytes: 10, files: 3, isRest: true },
  ]);
});
