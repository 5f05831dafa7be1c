import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { planTree, summarizePlan } from '../../lib/plan/tree.js';
import { compareNames } from '../../lib/plan/unknown-names.js';
import { buildOf, planOf } from './plans.js';

describe('planTree', () => {
  it('shows what each build needs, once, and its state', () => {
    const plan = planOf([
      buildOf('image', { state: 'built' }),
      buildOf('libc', { needs: ['image'], isNeeded: false }),
      buildOf('gcc', { needs: ['image', 'libc'], state: 'built' }),
      buildOf('go (mac)', { needs: ['gcc', 'image'], state: 'kept', unknown: ['a', 'b'] }),
      buildOf('browser', { needs: ['go (mac)', 'gcc'] }),
    ]);
    assert.deepEqual(planTree(plan), [
      'browser                    to do',
      '├─ go (mac)                kept, 2 not had offline',
      '│  ├─ gcc                  built',
      '│  │  ├─ image             built',
      '│  │  └─ libc              to do, not needed now',
      '│  │     └─ image (above)  built',
      '│  └─ image (above)        built',
      '└─ gcc (above)             built',
    ]);
    assert.equal(summarizePlan(plan), '5 builds: 2 built, 1 kept, 1 to do, 1 not needed now');
  });
});

describe('compareNames', () => {
  it('leaves open the words that differ', () => {
    const open = (filename: string) => ({ filename, isKnown: false });
    assert.deepEqual(compareNames('go-1.2-ab12cd.tar.gz', 'go-1.2-ab12cd.tar.gz'), {
      filename: 'go-1.2-ab12cd.tar.gz',
      isKnown: true,
    });
    assert.deepEqual(
      compareNames('go-1.2-ab12cd.tar.gz', 'go-1.2-ab99cd.tar.gz'),
      open('go-1.2-??????.tar.gz'),
    );
    assert.deepEqual(compareNames('go-10', 'go-2-rc'), open('?'));
  });
});
