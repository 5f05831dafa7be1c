import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TrapWorkspace } from './trap-workspace.js';

/** Ten units that take a while each; make does what is left of them. Every unit says when it begins and when it is done. */
const makefile = `
cat > Makefile <<'END'
all: $(addprefix unit-,0 1 2 3 4 5 6 7 8 9)
unit-%:
	@echo BEGIN $@
	@echo part > $@; sleep 0.4; echo whole >> $@
	@echo DONE $@
END`;
export const tenUnits = `
cd /var/tmp; mkdir -p work; cd work
[ -e Makefile ] || {${makefile}
}
make -j2
cat unit-* > "[% dest_dir %]/[% c("filename") %]"`;
export const wholeOutput = 'part\nwhole\n'.repeat(10);

export const count = (text: string, pattern: RegExp): number => [...text.matchAll(pattern)].length;

/**
 * That no unit was built again which make had as done. One that says DONE and is stopped before make sees its end is
 * deleted by make, with a line, and built again rightly.
 */
export function assertNoUnitTwice(log: string): void {
  for (let unit = 0; unit < 10; unit += 1) {
    const done = count(log, new RegExp(`DONE unit-${unit}\\b`, 'g'));
    const deleted = count(log, new RegExp(`Deleting file 'unit-${unit}'`, 'g'));
    assert.ok(done >= 1 && done <= 1 + deleted, `unit-${unit}: DONE ${done}, deleted ${deleted}\n${log}`);
  }
}

/** Builds them with `run --pack` until two more are done, then stops with a snapshot; gives what `run` said. */
export async function packedLeg(w: TrapWorkspace, options: readonly string[] = []): Promise<string> {
  const run = w.run('units', ['--pack', ...options]);
  const before = count(w.log('units'), /DONE/g);
  await w.untilLogged('units', 'BEGIN');
  while (count(w.log('units'), /DONE/g) < before + 2) await sleep(20);
  run.child.kill('SIGTERM');
  const { status, output } = await run.ended;
  assert.equal(status, 75, output);
  assert.match(output, /packed [0-9a-f]{16}@/);
  return output;
}
