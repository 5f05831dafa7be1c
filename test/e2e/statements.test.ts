import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { TrapWorkspace, type TrapProject } from '../rbm/trap-workspace.js';
import { count } from '../rbm/ten-units.js';
import { rbmsUnderTest } from '../rbm/workspace.js';

/** Run a second time, most of it would fail or leave another output: each statement has its effect exactly once. */
const ONCE = `
top=$(pwd)
mkdir made
echo first >> made/log
export EPOCH=$((40 + 2))
names=('a b' $'c\\nd')
once() { local what=$1; [ -e "$top/was-in-$what" ] || { touch "$top/was-in-$what"; echo "IN $what"; sleep 1000; }; }
long() {
  local n=$1
  echo "long $n" >> "$top/made/log"
  once "call $n"
  echo "long $n has ended" >> "$top/made/log"
}
pushd made
for turn in $(echo 1 2 3); do
  echo "turn $turn" >> log
  if [ "$turn" = 2 ]; then
    once "branch"
    echo "branch $EPOCH" >> log
  fi
done
long 7
echo "SHORT BEGINS"; sleep 1; echo "short" >> log
popd
mv made/log moved
printf '%s|' "\${names[@]}" "$EPOCH" >> moved
cp moved "[% dest_dir %]/[% c("filename") %]"`;

const OUTPUT = `first
turn 1
turn 2
branch 42
turn 3
long 7
long 7 has ended
short
a b|c
d|42|`;

for (const rbm of rbmsUnderTest()) {
  describe(`a build of ${rbm.name} whose script bears no second run`, () => {
    let workspace: TrapWorkspace | undefined;
    const make = (projects: Record<string, TrapProject>): TrapWorkspace =>
      (workspace = new TrapWorkspace(rbm, projects));
    afterEach(() => workspace?.remove());

    it('goes on at the statement, in a branch of a loop, in a function, and between two', async () => {
      const w = make({ once: { build: ONCE, resume: 'statement' } });
      const options = ['--finish-statement', '500ms'];
      for (const [leg, inside] of [
        ['IN branch', '10 of 18 \\(line 20\\): once "branch", line 9: \\[ -e'],
        ['IN call 7', '11 of 18 \\(line 24\\): long 7, line 13: once "call \\$n"'],
      ] as const) {
        const run = w.run('once', options);
        await w.untilLogged('once', leg);
        const { building } = await w.json<{ building: { place: { text: string } | null }[] }>('status');
        assert.match(building[0]?.place?.text ?? '', new RegExp(`^statement ${inside}`));
        run.child.kill('SIGTERM');
        const { status, output } = await run.ended;
        assert.equal(status, 75, output);
        assert.match(output, new RegExp(`interrupted during build, in statement ${inside}`));
      }
      const short = w.run('once');
      await w.untilLogged('once', 'SHORT BEGINS');
      short.child.kill('SIGTERM');
      const { status, output } = await short.ended;
      assert.equal(status, 75, output);
      assert.match(
        output,
        /interrupted during build, before statement \d+ of \d+ \(line \d+\): (?:echo|popd)/,
      );

      const last = await w.run('once').ended;
      assert.equal(last.status, 0, last.output);
      assert.equal(w.output('once'), OUTPUT);
      assert.equal(count(w.log('once'), /build goes on at statement/g), 3);
      assert.equal(count(w.log('once'), /SHORT BEGINS/g), 1);
      assert.deepEqual(w.parked(), []);
    });

    it('is what happens where nobody has set var/resume', async () => {
      const w = make({ once: { build: ONCE, resume: null } });
      const run = w.run('once', ['--finish-statement', '500ms']);
      await w.untilLogged('once', 'IN branch');
      run.child.kill('SIGTERM');
      assert.equal((await run.ended).status, 75);
      const next = w.run('once', ['--finish-statement', '500ms']);
      await w.untilLogged('once', 'IN call 7');
      next.child.kill('SIGTERM');
      assert.equal((await next.ended).status, 75);
      assert.equal((await w.run('once').ended).status, 0);
      assert.equal(w.output('once'), OUTPUT);
    });

    it('is not kept when the script is none of bash, and says so', async () => {
      const w = make({
        other: { build: `#!/bin/sh\necho BEGUN; sleep 1000`, resume: 'statement', isWhole: true },
      });
      const run = w.run('other', ['--finish-statement', '500ms']);
      await w.untilLogged('other', 'BEGUN');
      run.child.kill('SIGTERM');
      const { status, output } = await run.ended;
      assert.equal(status, 76, output);
      assert.match(output, /nothing is kept: build runs as it is: it is not a bash script/);
      assert.deepEqual(w.parked(), []);
    });

    it('fails with its own status, where it fails, and leaves nothing of ours behind', async () => {
      const build = `trap 'echo TRAP $?' EXIT\nls -A /rbm > "[% dest_dir %]/seen"\ncat "$0"\nfalse\necho NOT REACHED`;
      const w = make({ failing: { build, resume: 'statement' } });
      const { status, output } = await w.run('failing').ended;
      assert.notEqual(status, 0, output);
      assert.match(w.log('failing'), /TRAP 1/);
      assert.doesNotMatch(w.log('failing'), /^NOT REACHED$/m);
    });
  });
}
