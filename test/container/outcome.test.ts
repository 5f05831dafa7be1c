import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  decideOutcome,
  isWorthKeeping,
  type ContainerFacts,
  type Outcome,
} from '../../lib/container/outcome.js';
import type { ScriptEnd } from '../../lib/store/live.js';

const facts = (ends: Record<string, ScriptEnd>, more: Partial<ContainerFacts> = {}): ContainerFacts => ({
  expectedScripts: ['pre', 'build'],
  ends: new Map(Object.entries(ends)),
  isInterruptAsked: false,
  isResumed: false,
  isWatched: true,
  ...more,
});

describe('decideOutcome', () => {
  const cases: [string, ContainerFacts, Outcome][] = [
    ['every script ended with 0', facts({ pre: 0, build: 0, get: 0 }), 'succeeded'],
    ['a project copies its output itself', facts({ pre: 0, build: 0 }), 'succeeded'],
    ['asked too late', facts({ pre: 0, build: 0, get: 0 }, { isInterruptAsked: true }), 'succeeded'],
    [
      'the build was stopped',
      facts({ pre: 0, build: 'interrupted' }, { isInterruptAsked: true }),
      'interrupted',
    ],
    ['pre was stopped', facts({ pre: 'interrupted' }, { isInterruptAsked: true }), 'interrupted-early'],
    ['asked between pre and build', facts({ pre: 0 }, { isInterruptAsked: true }), 'interrupted-early'],
    [
      'asked between them in a later leg',
      facts({ pre: 0 }, { isInterruptAsked: true, isResumed: true }),
      'interrupted',
    ],
    [
      'asked between build and post',
      facts({ pre: 0, build: 0 }, { expectedScripts: ['pre', 'build', 'post'], isInterruptAsked: true }),
      'interrupted',
    ],
    ['asked before anything ran', facts({}, { isInterruptAsked: true }), 'interrupted-early'],
    [
      'asked before anything ran in a later leg',
      facts({}, { isInterruptAsked: true, isResumed: true }),
      'interrupted',
    ],
    ['the build failed', facts({ pre: 0, build: 2 }), 'failed'],
    [
      'the build failed while an interrupt was asked for',
      facts({ build: 2 }, { isInterruptAsked: true }),
      'failed',
    ],
    ['nobody knows how it ended', facts({ pre: 0, build: 'unknown' }), 'failed'],
    ['the same with an interrupt', facts({ pre: 0, build: 'unknown' }, { isInterruptAsked: true }), 'failed'],
    ['the output was not copied', facts({ pre: 0, build: 0, get: 1 }), 'get-failed'],
    ['rbm failed before the scripts', facts({}), 'never-ran'],
    [
      'rbm used the container another way',
      facts({}, { isWatched: false, isInterruptAsked: true }),
      'unknown',
    ],
    ['rbm failed between the scripts', facts({ pre: 0 }), 'failed'],
    [
      'nobody said which scripts there are',
      facts({ build: 0, get: 0 }, { expectedScripts: null }),
      'succeeded',
    ],
    ['the same, and none ran', facts({}, { expectedScripts: null }), 'never-ran'],
  ];
  for (const [title, given, outcome] of cases) {
    it(`says ${outcome} when ${title}`, () => assert.equal(decideOutcome(given), outcome));
  }
});

describe('isWorthKeeping', () => {
  it('never keeps a failed tree, and a tree where nothing ran only if it was kept before', () => {
    const kept = (isResumed: boolean) =>
      (
        [
          'succeeded',
          'interrupted',
          'interrupted-early',
          'get-failed',
          'never-ran',
          'unknown',
          'failed',
        ] as const
      ).filter((outcome) => isWorthKeeping(outcome, isResumed));
    assert.deepEqual(kept(false), ['interrupted', 'get-failed']);
    assert.deepEqual(kept(true), ['interrupted', 'get-failed', 'never-ran']);
  });
});
