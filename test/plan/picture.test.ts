import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, it } from 'node:test';
import { layOut, withoutDetours } from '../../lib/plan/layout.js';
import { drawPlan } from '../../lib/plan/picture.js';
import { buildOf, manyBuilds, planOf } from './plans.js';

const count = (text: string, what: RegExp): number => [...text.matchAll(what)].length;

describe('drawPlan', () => {
  const plan = planOf(manyBuilds(60));
  const svg = drawPlan(plan);

  it('is well-formed XML, whatever stands in names', () => {
    const odd = planOf([buildOf('a<b>&"c"\u0001'), buildOf('top', { needs: ['a<b>&"c"\u0001'] })]);
    for (const text of [svg, drawPlan(odd), drawPlan(planOf([buildOf('alone')]))]) {
      const { status, stderr } = spawnSync('xmllint', ['--noout', '-'], { input: text, encoding: 'utf8' });
      assert.equal(status, 0, stderr);
    }
  });

  it('has a box with its state for every build, and explains the states', () => {
    assert.equal(count(svg, /<g><title>/g), 60);
    for (const state of ['built', 'kept', 'to-do'])
      assert.equal(count(svg, RegExp(`rect class="${state}"`, 'g')), 21);
    assert.match(svg, />60 builds: 20 built, 20 kept, 20 to do</);
  });

  it('marks what is not needed any more', () => {
    const idle = planOf([buildOf('a', { isNeeded: false }), buildOf('b', { state: 'built', needs: ['a'] })]);
    assert.match(drawPlan(idle), /rect class="to-do idle"/);
  });

  it('is the same each time', () => {
    assert.equal(drawPlan(plan), svg);
  });
});

describe('layOut', () => {
  const nodes = manyBuilds(60).map(({ id, needs }) => ({ id, width: 150, height: 40, from: needs }));
  const { boxes, arrows, width, height } = layOut(nodes);

  it('puts all boxes into the picture, none over another', () => {
    const all = [...boxes.values()];
    assert.equal(all.length, 60);
    for (const [index, box] of all.entries()) {
      assert.ok(box.x >= 75 && box.x + 75 <= width && box.y >= 20 && box.y + 20 <= height);
      for (const other of all.slice(index + 1))
        assert.ok(Math.abs(box.x - other.x) >= 150 || Math.abs(box.y - other.y) >= 40);
    }
  });

  it('lets every arrow go down', () => {
    assert.ok(arrows.length > 60);
    for (const { from, to } of arrows) assert.ok((boxes.get(from)?.y ?? 0) < (boxes.get(to)?.y ?? 0));
  });
});

describe('withoutDetours', () => {
  it('leaves out an arrow where a longer way leads there, and no other', () => {
    const node = (id: string, from: readonly string[]) => ({ id, width: 1, height: 1, from });
    const drawn = withoutDetours([
      node('a', []),
      node('b', ['a']),
      node('c', ['a', 'b']),
      node('d', ['a', 'c']),
      node('e', ['b', 'a']),
    ]);
    assert.deepEqual(
      drawn.map(({ from }) => from),
      [[], ['a'], ['b'], ['c'], ['b']],
    );
  });
});
