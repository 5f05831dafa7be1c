import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { SYSTEM_CLOCK } from '../../../lib/container/stop/script-tree.js';
import { stopScript, type FrozenScript, type StopReport } from '../../../lib/container/stop/stop-script.js';
import { TimeLimit } from '../../../lib/container/stop/time-limit.js';
import { tinyContainer, type TinyContainer } from './tiny-container.js';

/** As the top of GCC and binutils: a folder with a Makefile is taken for configured. Both folders are made at once. */
const MAKEFILE = `all: all-a all-b
configure-%:
	@test ! -f $*/Makefile || exit 0; mkdir -p $*; cd $* && sh ../configure $* || exit 1
all-%: configure-%
	@cd $* && $(MAKE) --no-print-directory
`;
/** Two Makefiles, as with a \`po\` folder; \`slow\` in between. */
const configure = ({ first, slow }: { readonly first?: string; readonly slow: string }): string => `#!/bin/sh
${first ?? 'echo checking'}
printf 'all:; @cd po && make --no-print-directory\\n' >Makefile; mkdir po
echo 1 >>../ready
if [ "$1" = a ]; then ${slow}; fi
printf 'all:; @echo 1 >built\\n' >po/Makefile
`;

async function stopInConfigure(
  t: TestContext,
  options: {
    readonly first?: string;
    readonly slow: string;
    readonly limitMs?: number;
    readonly script?: string;
  },
): Promise<{ container: TinyContainer; report: StopReport; frozen: FrozenScript[] }> {
  const container = await tinyContainer(t, {
    script: options.script ?? 'make\necho 1 >next\n',
    files: { Makefile: MAKEFILE, configure: configure(options) },
  });
  await container.waitFor('ready');
  const frozen: FrozenScript[] = [];
  const report = await stopScript({
    rootDir: container.dir,
    runnerNsPid: container.runnerNsPid,
    graceMs: 15_000,
    configures: new TimeLimit({ clock: SYSTEM_CLOCK, ms: options.limitMs ?? 15_000, hurriedMs: 0 }),
    onFrozen: (script) => Promise.resolve(void frozen.push(script)),
  });
  return { container, report, frozen };
}

describe('an interrupt that falls into a configure below make', { concurrency: 3 }, () => {
  it('lets it end, alone, so that its folder is configured as it looks', async (t) => {
    const { container, report, frozen } = await stopInConfigure(t, { slow: 'sleep 1; sleep 1' });
    assert.notEqual(await container.read('a/po/Makefile'), null);
    assert.equal(await container.read('b/Makefile'), null, 'make begins nothing more');
    assert.equal(await container.read('a/po/built'), null);
    assert.deepEqual(frozen, [{ hasPrograms: true, failure: null }]);
    assert.deepEqual(
      [report.escalation, report.killed, report.removedFiles, report.unfinished],
      ['SIGINT', [], [], []],
    );
    assert.deepEqual(container.scriptAlive(), []);
    assert.equal(await container.read('next'), null);
  });

  it('waits for those that run at once, and what they have begun themselves is theirs', async (t) => {
    const { container, report } = await stopInConfigure(t, {
      first: 'mkdir "../here.$1"; while [ ! -d ../here.a ] || [ ! -d ../here.b ]; do sleep 0.05; done',
      slow: 'sh -c "sh ../config.status"',
      script: `printf 'sleep 2\\necho 1 >status\\n' >config.status; make -j2\n`,
    });
    assert.notEqual(await container.read('a/status'), null);
    for (const folder of ['a', 'b']) assert.notEqual(await container.read(`${folder}/po/Makefile`), null);
    assert.deepEqual(report.unfinished, []);
  });

  it('cuts it off when it takes too long, and says so', async (t) => {
    const { container, report, frozen } = await stopInConfigure(t, {
      slow: 'sleep 1000 >half; :',
      limitMs: 300,
    });
    assert.deepEqual(report.unfinished, ['sh ../configure a']);
    assert.deepEqual([report.escalation, report.removedFiles], ['SIGINT', ['/work/a/half']]);
    assert.deepEqual(frozen, [{ hasPrograms: true, failure: null }]);
    assert.equal(await container.read('a/po/Makefile'), null);
    assert.deepEqual(container.scriptAlive(), []);
  });

  it('says when it has failed, since make never will', async (t) => {
    const { frozen, report } = await stopInConfigure(t, { slow: 'sleep 1; exit 77' });
    assert.deepEqual(frozen, [{ hasPrograms: true, failure: 'sh ../configure a: exit status 77' }]);
    assert.deepEqual(report.unfinished, []);
  });

  it('is not held up by one that the script itself runs, which is run again', async (t) => {
    const { container, report } = await stopInConfigure(t, {
      slow: 'sleep 1000; :',
      script: 'mkdir a; cd a; sh ../configure a\n:\n',
    });
    assert.deepEqual([report.unfinished, report.escalation], [[], 'SIGINT']);
    assert.ok(report.durationMs < 10_000, `${report.durationMs}`);
    assert.deepEqual(container.scriptAlive(), []);
  });

  it('does not wake what the build itself had stopped', async (t) => {
    const { container, report } = await stopInConfigure(t, {
      first: `perl -e 'kill STOP => $$; open F, ">", "woken"; print F 1; close F' & sleep 0.3`,
      slow: 'sleep 1',
    });
    assert.notEqual(await container.read('a/po/Makefile'), null);
    assert.equal(await container.read('a/woken'), null);
    assert.deepEqual(report.unfinished, []);
  });
});
