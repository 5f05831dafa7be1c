import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { momentsOf, planRuns, type PlannedRun } from '../../lib/prove/plan.js';

describe('planRuns', () => {
  it('plans the same for a seed, and more runs begin with those of fewer', () => {
    const options = { seed: 1, interruptions: 3 };
    assert.deepEqual(planRuns({ ...options, runs: 2 }), planRuns({ ...options, runs: 5 }).slice(0, 2));
  });

  it('plans otherwise for another seed, from the first interruption on', () => {
    const first = Array.from({ length: 20 }, (_, seed) => {
      const [run] = planRuns({ seed, runs: 1, interruptions: 1 });
      return run?.interruptions[0]?.position;
    });
    assert.equal(new Set(first).size, 20);
    assert.ok(Math.min(...first.map(Number)) < 0.3 && Math.max(...first.map(Number)) > 0.6);
  });

  it('takes parking and snapshots by turns, interruptions in order, and both kinds of them', () => {
    const runs = planRuns({ seed: 5, runs: 40, interruptions: 3 });
    assert.deepEqual(
      runs.slice(0, 3).map(({ number, passage }) => [number, passage]),
      [
        [1, 'parking'],
        [2, 'snapshots'],
        [3, 'parking'],
      ],
    );
    for (const { interruptions } of runs) {
      const positions = interruptions.map(({ position }) => position);
      assert.deepEqual(
        positions,
        positions.toSorted((a, b) => a - b),
      );
      assert.ok(positions.every((position) => position >= 0 && position < 0.95));
    }
    const byTime = runs
      .flatMap(({ interruptions }) => interruptions)
      .filter(({ by }) => by === 'time').length;
    assert.ok(byTime > 40 && byTime < 80, `${byTime} of 120 go by time`);
  });
});

describe('a plan without interruptions', () => {
  it('has runs of one leg that goes through nothing', () => {
    const [run, ...others] = planRuns({ seed: 3, runs: 2, interruptions: 0 });
    assert.equal(others.length, 1);
    assert.deepEqual(run, { number: 1, passage: 'none', interruptions: [] });
    assert.deepEqual(momentsOf(run as PlannedRun, { ms: 1000, statements: 4 }), []);
  });
});

describe('momentsOf', () => {
  const run: PlannedRun = {
    number: 1,
    passage: 'parking',
    interruptions: [
      { position: 0.2, by: 'time', offset: 0.5 },
      { position: 0.5, by: 'statements', offset: 0.5 },
      { position: 0.9, by: 'time', offset: 0.5 },
    ],
  };

  it('counts each leg from its own beginning', () => {
    assert.deepEqual(momentsOf(run, { ms: 1000, statements: null }), [
      { afterMs: 200 },
      { afterMs: 300 },
      { afterMs: 400 },
    ]);
  });

  it('goes by statements where they are known', () => {
    assert.deepEqual(momentsOf(run, { ms: 1000, statements: 10 })[1], { atStatement: 6, afterMs: 50 });
    assert.deepEqual(momentsOf(run, { ms: 1e9, statements: 10 })[1], { atStatement: 6, afterMs: 500 });
  });
});
