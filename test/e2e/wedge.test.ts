import assert from 'node:assert/strict';
import { cpSync, existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { TrapWorkspace } from '../rbm/trap-workspace.js';
import { rbmsUnderTest } from '../rbm/workspace.js';
import { PoisonedStore } from './poisoned-store.js';
import { poisonsWith } from './poisons.js';

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

    it('finishes with the right output, whatever is wrong with the snapshot, and says so', async (t) => {
      await packOneLeg('plain');
      cpSync(w.store, pristine, { recursive: true });
      rmSync(join(pristine, '.rbm-resume'), { recursive: true });
      const store = new PoisonedStore(w.store);
      const pwned = join(w.dir, 'pwned');
      const poisons = poisonsWith(pwned).filter(({ isShort }) => isLong || isShort);
      for (const { name, apply, then } of poisons) {
        store.reset(pristine);
        apply(store);
        const logged = w.log('plain').length;
        const { status, output } = await w.build('plain').ended;
        const told = w.log('plain').slice(logged);
        assert.equal(status, 0, `${name}: ${output}\n${told}`);
        assert.equal(w.output('plain'), 'whole\n', name);
        assert.ok(!existsSync(pwned), `${name}: something ran on the host`);
        assert.deepEqual(w.containers(), [], name);
        if (then === 'anything') continue;
        assert.match(told, /rbm-resume: .*the build starts clean/, name);
        if (then === 'clean') continue;
        assert.match(told, /rbm-resume: the snapshot [0-9a-f]{64}@1 can't be used: /, name);
        assert.equal(quarantined().length, 1, `${name}: ${told}`);
      }
      t.diagnostic(`${poisons.length} poisons`);
    });

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
