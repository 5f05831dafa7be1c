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
