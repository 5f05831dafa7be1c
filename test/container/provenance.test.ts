import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import * as v from 'valibot';
import { toldLegSchema } from '../../lib/compare/told-leg.js';
import { writeProvenance } from '../../lib/container/provenance.js';
import { parseProjectHash, sha256Hex } from '../../lib/digest.js';
import { readIdMap } from '../../lib/id-map.js';
import type { Leg, LiveRecord } from '../../lib/store/record.js';

const HASH = parseProjectHash('ab'.repeat(32));
const [ONE, TWO] = [`sha256:${'1'.repeat(64)}`, `sha256:${'2'.repeat(64)}`];

interface Told {
  readonly subject: { readonly name: string; readonly digest: { readonly sha256: string } }[];
  readonly predicate: {
    readonly buildDefinition: {
      readonly externalParameters: Record<string, unknown>;
      readonly internalParameters: Record<string, unknown>;
      readonly resolvedDependencies: unknown[];
    };
    readonly runDetails: {
      readonly builder: { readonly id: string };
      readonly metadata: { readonly finishedOn: string };
    };
  };
}

const legOf = (startedAt: string, more: Partial<Leg> = {}): Leg => ({
  ...{ startedAt, endedAt: startedAt, seconds: 60, stoppedIn: 'build', place: null, division: null },
  ...{ escalation: 'SIGINT', removedFiles: [], ...more },
});

describe('the provenance of an output', () => {
  let dir: string;
  let record: LiveRecord;
  before(async () => {
    dir = mkdtempSync(join(tmpdir(), 'rbm-resume-provenance-'));
    record = {
      ...{
        format: 1,
        id: 'one',
        container: join(dir, 'one'),
        mode: 'statement',
        jobClass: null,
        signer: null,
      },
      ...{
        keepFailed: false,
        project: 'hello',
        step: 'build',
        targets: ['linux'],
        version: '1',
        filename: 'h',
      },
      ...{ hash: HASH, workspace: null, inputsDir: null, expectedScripts: null, idMap: await readIdMap() },
      ...{ legs: [], startedAt: '2026-01-03T00:00:00.000Z', resumed: false, endedBefore: 0, baseline: null },
      ...{ image: null, snapshot: null },
      owner: { pid: 1, startTime: null, bootId: '', pidNamespace: '' },
    };
  });
  after(() => rmSync(dir, { recursive: true }));

  async function tell(more: Partial<LiveRecord>, output: string, to = join(dir, 'told.json')): Promise<Told> {
    const file = await writeProvenance({ ...record, ...more }, { to, output });
    return JSON.parse(readFileSync(file, 'utf8')) as Told;
  }

  it('has every file of a folder by its sha256, and no link', async () => {
    const output = join(dir, 'output');
    mkdirSync(join(output, 'deep'), { recursive: true });
    writeFileSync(join(output, 'b'), 'b');
    writeFileSync(join(output, 'deep', 'a'), 'a');
    symlinkSync('/etc/passwd', join(output, 'link'));
    const { subject } = await tell({}, output, `${join(dir, 'folder')}/`);
    assert.deepEqual(subject, [
      { name: 'output/b', digest: { sha256: sha256Hex('b') } },
      { name: 'output/deep/a', digest: { sha256: sha256Hex('a') } },
    ]);
  });

  it('says of a clean build that it is one', async () => {
    const output = join(dir, 'file');
    writeFileSync(output, 'x');
    // What a clean build's record has of a snapshot is not below its tree.
    const { predicate } = await tell({ snapshot: { digest: ONE, generation: 1 } }, output);
    const { internalParameters: build, resolvedDependencies, externalParameters } = predicate.buildDefinition;
    assert.deepEqual(
      [externalParameters.project, externalParameters.projectHash, predicate.runDetails.builder.id],
      ['hello', HASH, 'urn:rbm-resume:class:none'],
    );
    const { finishedOn } = predicate.runDetails.metadata;
    const seconds = (Date.parse(finishedOn) - Date.parse(record.startedAt)) / 1000;
    assert.deepEqual(build, {
      ...{ resumed: false, class: null, earlierWorkSeconds: 0 },
      legs: [
        {
          ...{ startedAt: record.startedAt, endedAt: finishedOn, seconds, stoppedIn: null, place: null },
          ...{ class: null, builder: null, from: null },
        },
      ],
    });
    assert.deepEqual(resolvedDependencies, []);
  });

  it('says of each leg when and where it ran, and where it was stopped', async () => {
    const output = join(dir, 'file');
    writeFileSync(output, 'x');
    const [startedAt, endedAt] = ['2026-01-01T00:00:00.000Z', '2026-01-01T00:01:00.000Z'];
    const place = 'in statement 2 of 9 (line 4): make';
    const legs = [legOf(startedAt, { endedAt, place, builder: 'https://ci.example/1' })];
    const { predicate } = await tell({ resumed: true, legs, builder: 'second machine' }, output);
    const told = v.parse(v.array(toldLegSchema), predicate.buildDefinition.internalParameters.legs);
    assert.deepEqual(told[0], {
      ...{ startedAt, endedAt, seconds: 60, stoppedIn: 'build', place, builder: 'https://ci.example/1' },
    });
    assert.deepEqual([told[1]?.builder, told[1]?.stoppedIn, told[1]?.place], ['second machine', null, null]);
    assert.equal(told[1]?.endedAt, predicate.runDetails.metadata.finishedOn);
  });

  it('goes back to every snapshot on the way, and says whose each is', async () => {
    const output = join(dir, 'file');
    writeFileSync(output, 'x');
    const [startedAt, again] = ['2026-01-01T00:00:00.000Z', '2026-01-02T00:00:00.000Z'];
    const pr = { class: 'pr/7', keyId: 'k1' };
    const legs = [
      legOf(startedAt),
      legOf(again, { jobClass: 'pr/7', from: { digest: ONE, generation: 1, signer: null } }),
      // Went on in what was parked, above the same snapshot.
      legOf(again, { jobClass: 'pr/7', from: { digest: ONE, generation: 1, signer: null } }),
    ];
    const { predicate } = await tell(
      { resumed: true, legs, jobClass: 'branch', snapshot: { digest: TWO, generation: 3 }, signer: pr },
      output,
    );
    const { internalParameters: build, resolvedDependencies } = predicate.buildDefinition;
    const first = { digest: ONE, generation: 1, class: null, signedBy: null };
    const told = build.legs as { startedAt: string; class: string | null; from: unknown }[];
    assert.deepEqual(
      { ...build, legs: told.map((leg) => [leg.startedAt, leg.class, leg.from]) },
      {
        ...{ resumed: true, class: 'branch', earlierWorkSeconds: 180 },
        legs: [
          [startedAt, null, null],
          [again, 'pr/7', first],
          [again, 'pr/7', first],
          [record.startedAt, 'branch', { digest: TWO, generation: 3, class: 'pr/7', signedBy: 'k1' }],
        ],
      },
    );
    assert.deepEqual(resolvedDependencies, [
      { name: `${HASH}@1`, digest: { sha256: '1'.repeat(64) } },
      { name: `${HASH}@3`, digest: { sha256: '2'.repeat(64) } },
    ]);
  });
});
