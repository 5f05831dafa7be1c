import assert from 'node:assert/strict';
import { cpSync, existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { TrapWorkspace } from '../rbm/trap-workspace.js';
import { rbmsUnderTest } from '../rbm/workspace.js';
import { PoisonedStore } from '../snapshot/poisoned-store.js';
import { POISONS, PWNED, type Poison } from './poisons.js';

/** All of them in the long form of the tests. */
const isLong = process.env.EVERYWHERE === '1';

/** In a tree that a build has stopped in before, it fails. */
const FAILS_WHEN_RESUMED = `
if [ -e /var/tmp/begun ]; then echo "FAILS"; exit 1; fi
touch /var/tmp/begun
echo BEGIN; sleep 3
echo whole > "[% dest_dir %]/[% c("filename") %]"`;
const PLAIN = `
echo BEGIN; sleep 3
echo whole > "[% dest_dir %]/[% c("filename") %]"`;

for (const rbm of rbmsUnderTest()) {
  describe(`a build of ${rbm.name} from a poisoned cache`, () => {
    let w: TrapWorkspace;
    let pristine: string;
    before(() => {
      w = new TrapWorkspace(rbm, { plain: { build: PLAIN }, failing: { build: FAILS_WHEN_RESUMED } });
      pristine = join(w.dir, 'pristine');
    });
    after(() => w.remove());

    async function packOneLeg(project: string): Promise<void> {
      const run = w.run(project, ['--pack']);
      await w.untilLogged(project, 'BEGIN');
      run.child.kill('SIGTERM');
      const { status, output } = await run.ended;
      assert.equal(status, 75, output);
      for (const hash of w.parked()) rmSync(join(w.store, '.rbm-resume/parked', hash, 'record.json'));
    }
    const quarantined = (): string[] => {
      const dir = join(w.store, '.rbm-resume', 'quarantine');
      return existsSync(dir) ? readdirSync(dir) : [];
    };

    /** Builds from a poisoned store; what rbm has logged. */
    async function buildFrom({ name, apply }: Poison): Promise<string> {
      const store = new PoisonedStore(w.store);
      store.reset(pristine);
      apply(store);
      const logged = w.log('plain').length;
      const { status, output } = await w.build('plain').ended;
      const told = w.log('plain').slice(logged);
      assert.equal(status, 0, `${name}: ${output}\n${told}`);
      assert.equal(w.output('plain'), 'whole\n', name);
      assert.ok(!existsSync(PWNED), `${name}: something ran on the host`);
      assert.deepEqual(w.containers(), [], name);
      return told;
    }

    for (const poison of POISONS.filter(({ isShort }) => isLong || isShort)) {
      const { name, then, reason } = poison;
      it(`finishes with the right output where ${name}: ${then}`, async () => {
        if (!existsSync(pristine)) {
          await packOneLeg('plain');
          cpSync(w.store, pristine, { recursive: true });
          rmSync(join(pristine, '.rbm-resume'), { recursive: true });
        }
        const told = await buildFrom(poison);
        const lines = told.split('\n').filter((line) => line.startsWith('rbm-resume: '));
        const isOutOfUse = then === 'out of use';
        assert.equal(quarantined().length, isOutOfUse ? 1 : 0, told);
        assert.match(told, reason);
        if (then === 'goes on') {
          assert.match(told, /rbm-resume: plain goes on in the snapshot/);
          assert.equal(lines.length, 1, told);
          return;
        }
        assert.match(told, /rbm-resume: .*the build starts clean/);
        if (isOutOfUse) assert.match(told, /rbm-resume: the snapshot [0-9a-f]{64}@1 can't be used: /);
        assert.ok(lines.length <= 3 && lines.every((line) => line.length < 800), told);
      });
    }

    it('fails at most twice in a tree in which it fails, and then starts clean', async () => {
      rmSync(w.store, { recursive: true });
      await packOneLeg('failing');
      const statuses: (number | null)[] = [];
      for (let build = 0; build < 3; build += 1) statuses.push((await w.build('failing').ended).status);
      assert.deepEqual(
        statuses.map((status) => status === 0),
        [false, false, true],
        w.log('failing'),
      );
      assert.equal(w.output('failing'), 'whole\n');
    });
  });
}
