import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, it } from 'node:test';
import { divideIntoJobs } from '../../lib/ci/jobs.js';
import { publishedDir, sumCommands } from '../../lib/ci/settings.js';
import { readOutputs } from '../../lib/compare/read-outputs.js';
import { sha256Hex } from '../../lib/digest.js';
import { plannedBuild } from './plans.js';

const root = mkdtempSync(join(tmpdir(), 'rbm-resume-sums-'));
after(() => rmSync(root, { recursive: true }));

it('a job sums up what it has built under the names that provenance has for it', async () => {
  const [job] = divideIntoJobs([plannedBuild('a'), plannedBuild("it's")], []);
  assert.ok(job);
  mkdirSync(join(root, 'out/a/folder'), { recursive: true });
  writeFileSync(join(root, 'out/a/a.tar'), 'x');
  writeFileSync(join(root, 'out/a/folder/a .b'), 'y');
  for (const shell of ['bash', 'dash']) {
    const script = sumCommands(job).join('\n');
    assert.equal(spawnSync(shell, ['-euc', script], { cwd: root, stdio: 'inherit' }).status, 0);
    const { outputs } = await readOutputs(join(root, publishedDir(job)));
    assert.deepEqual(
      [...outputs.values()].map(({ name, sha256 }) => [name, sha256]),
      [
        ['a.tar', sha256Hex('x')],
        ['folder/a .b', sha256Hex('y')],
      ],
    );
  }
});
