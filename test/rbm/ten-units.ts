import assert from 'node:assert/strict';

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
