import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, it } from 'node:test';
import { assertNoUnitTwice, count, packedLeg, tenUnits, wholeOutput } from '../rbm/ten-units.js';
import { TrapWorkspace } from '../rbm/trap-workspace.js';
import { rbmsUnderTest } from '../rbm/workspace.js';

for (const rbm of rbmsUnderTest()) {
  describe(`a build of ${rbm.name} that goes on in another workspace`, () => {
    const workspaces: TrapWorkspace[] = [];
    const make = (): TrapWorkspace => {
      const workspace = new TrapWorkspace(rbm, { units: { build: tenUnits } });
      workspaces.push(workspace);
      return workspace;
    };
    afterEach(async () => {
      for (const workspace of workspaces.splice(0)) await workspace.remove();
    });

    async function carry(from: TrapWorkspace, to: TrapWorkspace, ...options: string[]): Promise<void> {
      const dir = join(from.dir, 'exported');
      const exported = await from.command('export', dir, ...options);
      assert.equal(exported.status, 0, exported.output);
      const imported = await to.command('import', dir);
      assert.equal(imported.status, 0, imported.output);
    }

    it('finishes on the third machine with the output of an uninterrupted build, and does nothing twice', async () => {
      const [first, second, third] = [make(), make(), make()];
      await packedLeg(first);
      await carry(first, second, '--max-part-size', '1M');
      await packedLeg(second);
      assert.match(second.log('units'), /goes on in the snapshot of .* \(generation 1\)/);
      await carry(second, third, '--without-base');
      const last = await third.run('units').ended;
      assert.equal(last.status, 0, last.output);
      assert.match(third.log('units'), /goes on in the snapshot of .* \(generation 2\), after 2 leg\(s\)/);
      assert.equal(third.output('units'), wholeOutput);
      const log = [first, second, third].map((w) => w.log('units')).join('');
      assertNoUnitTwice(log);
      const { kept } = await third.json<{ kept: unknown[] }>('list');
      assert.deepEqual(kept, [], 'what was kept is dropped after success');
      assert.deepEqual(readdirSync(join(third.store, 'blobs', 'sha256')), []);
      assert.deepEqual(third.containers(), []);
    });

    it('starts clean, and says why, where the image is another one and the snapshot came without it', async () => {
      const [first, second] = [make(), make()];
      await packedLeg(first);
      await carry(first, second, '--without-base');
      const image = join(second.dir, 'projects', 'common', 'container-image_small.tar');
      const content = readFileSync(image);
      rmSync(image);
      writeFileSync(image, Buffer.concat([content, Buffer.alloc(10_240)]));
      const { status, output } = await second.run('units').ended;
      assert.equal(status, 0, output);
      assert.match(second.log('units'), /stored without its base .* is another one/);
      assert.match(second.log('units'), /the build starts clean/);
      assert.equal(second.output('units'), wholeOutput);
      assert.equal(count(second.log('units'), /DONE/g), 10);
    });

    it('goes on in the generation before when the newest is damaged, and starts clean when both are', async () => {
      const w = make();
      await packedLeg(w);
      await packedLeg(w);
      const layers = w.layersOfSnapshots();
      for (const hash of w.parked()) rmSync(join(w.store, '.rbm-resume/parked', hash, 'record.json'));
      truncateSync(String(layers[1]?.at(-1)), 100);
      await packedLeg(w);
      const log = w.log('units');
      assert.match(log, /the snapshot [0-9a-f]{64}@2 can't be used: the blob .* is damaged/);
      assert.match(log, /goes on in the snapshot of .* \(generation 1\)/);
      for (const hash of w.parked()) rmSync(join(w.store, '.rbm-resume/parked', hash, 'record.json'));
      // The lowest layer is a hard link to the image that rbm itself uses.
      for (const [, ...deltas] of w.layersOfSnapshots()) for (const layer of deltas) truncateSync(layer, 100);
      const last = await w.run('units').ended;
      assert.equal(last.status, 0, last.output);
      assert.match(w.log('units'), /the build starts clean/);
      assert.equal(w.output('units'), wholeOutput);
    });
  });
}
