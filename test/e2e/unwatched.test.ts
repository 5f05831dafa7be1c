import assert from 'node:assert/strict';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, it } from 'node:test';
import { TrapWorkspace } from '../rbm/trap-workspace.js';
import { rbmsUnderTest } from '../rbm/workspace.js';

const WRITE = 'echo out > "[% dest_dir %]/[% c("filename") %]"';

for (const rbm of rbmsUnderTest()) {
  describe(`a build of ${rbm.name} that nothing can interrupt or keep`, () => {
    let workspace: TrapWorkspace | undefined;
    const make = (build: string, options = {}): TrapWorkspace =>
      (workspace = new TrapWorkspace(rbm, { one: { build } }, options));
    afterEach(() => workspace?.remove());

    it('goes to its end, and is said to have no shim, when rbm.local.conf loads none', async () => {
      const w = make(`echo FIRST; sleep 5; ${WRITE}`, { localConf: '---\ndebug: 0\n' });
      const { status, output } = await w.run('one', ['--deadline', '2s']).ended;
      assert.equal(status, 0, output);
      assert.match(output, /no rbm below this command has loaded rbm-resume/);
      assert.match(output, /`rbm-resume init`/);
      assert.doesNotMatch(output, /works on the host/);
    });

    it('goes to its end, and the store is named, when that can not be written', async () => {
      const w = make(`echo FIRST; sleep 8; ${WRITE}`);
      writeFileSync(join(w.dir, 'file'), '');
      const store = join(w.dir, 'file', 'store');
      const run = w.run('one', [], { RBM_RESUME_STORE: store });
      await w.untilLogged('one', 'FIRST');
      run.child.kill('SIGTERM');
      const { status, output } = await run.ended;
      assert.equal(status, 0, output);
      assert.equal(w.output('one'), 'out\n');
      assert.match(output, /file\/store\S* could not be made, so this build can't be interrupted or kept/);
      assert.match(output, /one can't be interrupted, nor will it be kept: .*ENOTDIR/);
      assert.doesNotMatch(output, /works on the host/);
    });

    it('ends with 74, and not as one of no worth, when what it made could not be kept', async () => {
      const w = make(`echo FIRST; sleep 1000; ${WRITE}`);
      mkdirSync(join(w.store, '.rbm-resume'), { recursive: true });
      const run = w.run('one');
      await w.untilLogged('one', 'FIRST');
      writeFileSync(join(w.store, '.rbm-resume', 'parked'), '');
      run.child.kill('SIGTERM');
      const { status, output } = await run.ended;
      assert.equal(status, 74, output);
      assert.match(output, /one could not be kept: /);
      assert.match(output, /what it had made could not be kept \(exit status 74\)/);
      rmSync(join(w.store, '.rbm-resume', 'parked'));
    });
  });
}
