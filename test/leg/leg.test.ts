import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import type { RunResult } from '../../lib/container/run-result.js';
import { judgeLeg, leaveTimes, legPaths, planLeg, takeOver } from '../../lib/leg/leg.js';
import { parseLegTimes, reserveMs } from '../../lib/leg/reserve.js';
import { NO_POLICY } from '../../lib/trust/judge.js';

const root = mkdtempSync(join(tmpdir(), 'rbm-resume-leg-'));
after(() => rmSync(root, { recursive: true }));

const MINUTE = 60_000;

describe('the time that a leg leaves for packing and uploading', () => {
  const of = (options: Partial<Parameters<typeof reserveMs>[0]>): number =>
    reserveMs({ limitMs: 360 * MINUTE, packMs: null, uploadMs: null, stalledLegs: 0, ...options }) / MINUTE;

  it('is a sixth of the limit where nobody has measured it, at most three quarters of an hour', () => {
    assert.equal(of({ limitMs: 60 * MINUTE }), 12);
    assert.equal(of({}), 47);
  });

  it('is half more than the last time took, and some minutes', () => {
    assert.equal(of({ packMs: 6 * MINUTE, uploadMs: 4 * MINUTE }), 17);
    assert.equal(of({ packMs: 0, uploadMs: 0 }), 2);
  });

  it('is no less than what is known when only a part was measured', () => {
    assert.equal(of({ packMs: 60 * MINUTE }), 92);
    assert.equal(of({ packMs: MINUTE }), 47);
  });

  it('doubles with each leg that came to nothing, and leaves half of the job to the build', () => {
    const measured = { packMs: 6 * MINUTE, uploadMs: 4 * MINUTE };
    assert.deepEqual(
      [1, 2, 3, 1e9].map((stalledLegs) => of({ ...measured, stalledLegs })),
      [34, 68, 136, 180],
    );
    assert.equal(of({ packMs: 1e12, uploadMs: 1e12 }), 180);
  });
});

describe('the times of the leg before', () => {
  const GOOD = { format: 'org.rbm-resume.leg-times.v1', packSeconds: 3, workSeconds: 100 };

  it('are read when they are as they were written, and not otherwise', () => {
    assert.deepEqual(parseLegTimes(JSON.stringify(GOOD)), GOOD);
    const bad = [
      ...['', '{', 'null', '[]', '7'],
      ...[
        { packSeconds: -1 },
        { packSeconds: '3' },
        { workSeconds: null },
        { format: 'v2' },
        { more: 1 },
      ].map((change) => JSON.stringify({ ...GOOD, ...change })),
      JSON.stringify(GOOD).replace('100', '1e999'),
    ];
    for (const text of bad) assert.equal(parseLegTimes(text), null, text);
  });

  it('and the stamps of the upload decide the deadline', async () => {
    const dir = join(root, 'measured');
    await leaveTimes(dir, { packSeconds: 60, workSeconds: 1000 });
    writeFileSync(legPaths(dir).uploadBegan, '1700000000\n');
    writeFileSync(legPaths(dir).uploadEnded, '1700000180\n');
    const startedAt = new Date('2026-01-01T00:00:00Z');
    const plan = await planLeg(dir, { startedAt, limitMs: 120 * MINUTE });
    // 1.5 × (1 + 3) + 2 minutes.
    assert.deepEqual([plan.reserveMs / MINUTE, plan.deadline.toISOString()], [8, '2026-01-01T01:52:00.000Z']);
    assert.equal(plan.before?.workSeconds, 1000);
  });

  it('are those of fetching where the service does not say how long the upload took', async () => {
    const dir = join(root, 'fetched');
    await leaveTimes(dir, { packSeconds: 60, workSeconds: 1000 });
    const startedAt = new Date('2026-01-01T00:00:00Z');
    const plan = await planLeg(dir, {
      startedAt,
      limitMs: 120 * MINUTE,
      now: new Date('2026-01-01T00:05:00Z'),
    });
    assert.equal(plan.reserveMs / MINUTE, 1.5 * (1 + 5) + 2);
  });

  it('count for nothing when a cache brings something else in their place', async () => {
    const dir = join(root, 'hostile');
    mkdirSync(legPaths(dir).state, { recursive: true });
    symlinkSync('/dev/zero', legPaths(dir).times);
    writeFileSync(legPaths(dir).uploadBegan, 'x'.repeat(100_000));
    writeFileSync(legPaths(dir).uploadEnded, '99999999999999999999');
    const { before, reserveMs: reserve } = await planLeg(dir, {
      startedAt: new Date(),
      limitMs: 60 * MINUTE,
    });
    assert.deepEqual([before, reserve / MINUTE], [null, 12]);
  });
});

describe('what a leg takes over', () => {
  it('is nothing, and no trouble, at first', async () => {
    assert.deepEqual(await takeOver(join(root, 'store'), join(root, 'none'), NO_POLICY), {
      imported: null,
      trouble: null,
    });
  });

  it('is nothing, with a reason, when it is damaged', async () => {
    const dir = join(root, 'damaged');
    mkdirSync(legPaths(dir).snapshots, { recursive: true });
    writeFileSync(join(legPaths(dir).snapshots, 'rbm-resume-export.json'), '{');
    const { imported, trouble } = await takeOver(join(root, 'store'), dir, NO_POLICY);
    assert.equal(imported, null);
    assert.match(String(trouble), /damaged|manifest|export/);
  });
});

describe('how a leg ended', () => {
  const container = (outcome: string) => ({ outcome, kept: outcome === 'interrupted' });
  const judge = (
    outcome: RunResult['outcome'],
    of: { containers?: string[]; worked?: number; before?: number | null; isKept?: boolean } = {},
  ): string => {
    const { containers = [], worked = 0, before = null, isKept = true } = of;
    const end = judgeLeg({
      result: { outcome, containers: containers.map(container) } as unknown as RunResult,
      before:
        before === null
          ? null
          : { format: 'org.rbm-resume.leg-times.v1', packSeconds: 1, workSeconds: before },
      workSeconds: worked,
      isKept,
    });
    return `${end.outcome} ${end.progress}`;
  };

  it('finished: with progress if anything was built', () => {
    assert.equal(judge('finished', { containers: ['succeeded'] }), 'finished true');
    assert.equal(judge('finished'), 'finished false');
  });

  it('failed: with progress where another was built before, which need not be built again', () => {
    assert.equal(judge('failed', { containers: ['failed'] }), 'failed false');
    assert.equal(judge('failed', { containers: ['succeeded', 'failed'] }), 'failed true');
  });

  it('interrupted: with progress when more was worked than before, and it can be gone on with', () => {
    const containers = ['interrupted'];
    assert.equal(judge('interrupted-and-kept', { containers, worked: 50 }), 'interrupted true');
    assert.equal(judge('interrupted-and-kept', { containers, worked: 50, before: 40 }), 'interrupted true');
    // It started clean again.
    assert.equal(judge('interrupted-and-kept', { containers, worked: 40, before: 40 }), 'interrupted false');
    assert.equal(
      judge('interrupted-and-kept', { containers, worked: 50, isKept: false }),
      'interrupted false',
    );
    assert.equal(
      judge('interrupted-nothing-kept', { containers: ['interrupted-early'] }),
      'interrupted false',
    );
    assert.equal(judge('interrupted-nothing-kept', { containers: ['succeeded'] }), 'interrupted true');
  });
});
