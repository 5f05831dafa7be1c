import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { readPlanFile } from '../../lib/plan/read-plan.js';
import { buildOf, planOf } from './plans.js';

describe('the file of a plan', () => {
  let root = '';
  before(() => {
    root = mkdtempSync(join(tmpdir(), 'rbm-resume-plan-'));
  });
  after(() => rmSync(root, { recursive: true }));
  const write = (value: unknown): string => {
    const file = join(root, 'plan.json');
    writeFileSync(file, typeof value === 'string' ? value : JSON.stringify(value));
    return file;
  };

  it('is what plan prints', async () => {
    const plan = planOf([buildOf('a'), buildOf('b', { needs: ['a'] })]);
    assert.deepEqual(await readPlanFile(write(plan)), plan);
  });

  it('is refused where it is something else, or can not be built in its order', async () => {
    const circle = planOf([buildOf('a', { needs: ['b'] }), buildOf('b', { needs: ['a'] })]);
    const twice = planOf([buildOf('a'), buildOf('a')]);
    for (const bad of [circle, twice, planOf([buildOf('a', { needs: ['b'] })]), planOf([]), {}, '{', []])
      await assert.rejects(readPlanFile(write(bad)), { code: 'BAD_STATEMENT', fields: { path: write(bad) } });
  });

  it('is refused where it is not there or no file', async () => {
    await assert.rejects(readPlanFile(join(root, 'nothing')), { code: 'NO_SUCH_FILE' });
    mkdirSync(join(root, 'folder'));
    await assert.rejects(readPlanFile(join(root, 'folder')), { code: 'IO_FAILED' });
  });
});
