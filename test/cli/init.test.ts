import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { applyInit, planInit } from '../../lib/setup/init.js';
import { SHIM_LIB, shimDocument } from '../../lib/setup/shim.js';
import {
  asAppend,
  initialize,
  localConfOf,
  makeWorkspace,
  rbmResume,
  root,
  run,
  type Ended,
} from '../setup/init-workspace.js';
import { rbmsUnderTest } from '../rbm/workspace.js';

async function askRbm(
  rbm: string,
  { workspace, option }: { readonly workspace: string; readonly option: string },
): Promise<string> {
  const { status, stdout, stderr } = await run(rbm, ['showconf', 'tally', option], { cwd: workspace });
  assert.equal(status, 0, stderr);
  return stdout.trim();
}

const FINISH = "remote_finish: |\n    #!/bin/sh\n    echo 'the local one'\n";

/** `user` is what `container/user` must be afterwards; `rbm` is rbm's default. */
const SHAPES: readonly {
  readonly name: string;
  readonly conf: string | undefined;
  readonly user?: string;
  readonly hasFinish?: true;
  readonly separator?: string;
}[] = [
  { name: 'no file', conf: undefined },
  { name: 'an empty file', conf: '' },
  { name: 'comments only', conf: '# one\n\n# two', separator: '\n' },
  { name: 'a document without a header', conf: 'debug: 0\n' },
  { name: 'a container of its own', conf: '---\ncontainer:\n  user: builder\n', user: 'builder' },
  { name: 'a container in flow style', conf: '{container: {user: builder}}\n', user: 'builder' },
  { name: 'no newline at the end', conf: 'container:\n  user: builder', user: 'builder', separator: '\n' },
  { name: 'a block text without a newline at the end', conf: 'a: |\n  --- |\n  text', separator: '\n' },
  { name: 'a document end marker', conf: '---\ncontainer:\n  user: builder\n...\n', user: 'builder' },
  {
    name: 'a document end marker without a newline',
    conf: 'container: {user: builder}\n...',
    user: 'builder',
    separator: '\n',
  },
  { name: 'an empty last document', conf: 'container:\n  user: builder\n---\n', user: 'builder' },
  {
    name: 'a comment at the end',
    conf: 'container:\n  user: builder\n# vim: sw=2',
    user: 'builder',
    separator: '\n',
  },
  { name: 'lines that end in CR LF', conf: 'debug: 0\r\ncontainer:\r\n  user: builder\r\n', user: 'builder' },
  {
    name: 'two containers, of which rbm takes the last',
    conf: '---\ncontainer:\n  user: first\n---\ndebug: 0\n---\ncontainer:\n  user: second\n',
    user: 'second',
  },
  {
    name: 'a container with a script that the shim has to hand on to',
    conf: `container:\n  user: builder\n  ${FINISH}`,
    user: 'builder',
    hasFinish: true,
  },
  {
    name: 'a key that comes twice, as rbm allows',
    conf: 'debug: 1\ndebug: 0\ncontainer: {user: builder}\n',
    user: 'builder',
  },
];

for (const rbm of rbmsUnderTest()) {
  const showconf = (workspace: string, option: string) => askRbm(join(rbm.dir, 'rbm'), { workspace, option });

  describe(`init and ${rbm.name}`, () => {
    for (const { name, conf, user = 'rbm', hasFinish, separator = '' } of SHAPES) {
      it(`adds the shim to ${name}`, async () => {
        const workspace = makeWorkspace(conf);
        const content = await initialize(workspace);
        assert.equal(content.toString(), `${conf ?? ''}${separator}${shimDocument(SHIM_LIB)}`);
        assert.equal(await showconf(workspace, 'container/user'), user);
        const finish = await showconf(workspace, 'container/remote_finish');
        assert.match(finish, /RBM_RESUME_PROJECT=tally[^]*exec \S*libexec\/remote-finish/);
        assert.equal(finish.includes('the local one'), hasFinish === true);
      });
    }

    it('quotes the path of the shim for Perl', async () => {
      const lib = join(makeWorkspace(), "it's a \\ päckage", 'lib');
      mkdirSync(join(lib, '..'));
      symlinkSync(SHIM_LIB, lib);
      const workspace = makeWorkspace();
      await initialize(workspace, lib);
      assert.match(await showconf(workspace, 'container/remote_finish'), /RBM_RESUME_PROJECT=tally/);
      assert.deepEqual(await planInit({ workspace, lib }), {
        how: 'already-loaded',
        file: localConfOf(workspace),
        line: 1,
        lib,
        notes: [],
      });
    });

    it('says how to merge in a way that rbm takes', async () => {
      const perl = (container: string) =>
        `--- |\n  use lib '${SHIM_LIB}';\n  use RBM::Resume;\n  my %resume = RBM::Resume::options();\n  (debug => 7, ${container})\n`;
      const own = "container => { user => 'builder', %{$resume{container}} }";
      for (const [container, user] of [
        ['%resume', 'rbm'],
        [own, 'builder'],
      ] as const) {
        const workspace = makeWorkspace(perl(container));
        assert.equal((await planInit({ workspace })).how, 'already-loaded');
        assert.equal(await showconf(workspace, 'debug'), '7');
        assert.equal(await showconf(workspace, 'container/user'), user);
        assert.match(await showconf(workspace, 'container/remote_finish'), /RBM_RESUME_PROJECT=tally/);
      }
    });

    it('uses the file that rbm.conf names', async () => {
      const workspace = makeWorkspace();
      writeFileSync(
        join(workspace, 'rbm.conf'),
        `localconf_file: mine.conf\n${readFileSync(join(workspace, 'rbm.conf'), 'utf8')}`,
      );
      await applyInit(asAppend(await planInit({ workspace })));
      assert.ok(!existsSync(localConfOf(workspace)));
      assert.match(await showconf(workspace, 'container/remote_finish'), /RBM_RESUME_PROJECT=tally/);
    });
  });
}

describe('rbm-resume init', () => {
  const cli = (cwd: string, ...args: string[]) => rbmResume(['init', ...args], { cwd });

  it('shows the lines and changes nothing without a terminal and --yes', async () => {
    const workspace = makeWorkspace();
    const { status, stdout, stderr } = await cli(workspace);
    assert.equal(status, 64);
    assert.ok(stdout.includes(shimDocument(SHIM_LIB)) && stdout.includes(localConfOf(workspace)), stdout);
    assert.match(stderr, /Add --yes/);
    assert.ok(!existsSync(localConfOf(workspace)));
  });

  it('changes nothing in a dry run', async () => {
    const workspace = makeWorkspace();
    const { status, stdout } = await cli(workspace, '--dry-run', '--yes');
    assert.equal(status, 0);
    assert.ok(stdout.includes(shimDocument(SHIM_LIB)));
    assert.ok(!existsSync(localConfOf(workspace)));
  });

  it('writes with --yes, from a folder below too, and says what a project has to set', async () => {
    const workspace = makeWorkspace();
    const { status, stdout } = await cli(join(workspace, 'projects'), '--yes');
    assert.equal(status, 0);
    assert.match(stdout, /projects\/NAME\/config[^]*var: \{ resume: off \}/);
    assert.equal(readFileSync(localConfOf(workspace), 'utf8'), shimDocument(SHIM_LIB));
    const second = await cli(workspace, '--yes');
    assert.equal(second.status, 0);
    assert.match(second.stdout, /loads the shim already, on line 1/);
    assert.equal(readFileSync(localConfOf(workspace), 'utf8'), shimDocument(SHIM_LIB));
  });

  it('prints JSON alone with --json', async () => {
    const workspace = makeWorkspace();
    const parse = ({ stdout }: Ended) => JSON.parse(stdout) as Record<string, unknown>;
    const refused = await cli(workspace, '--json');
    assert.equal(refused.status, 64);
    assert.equal((parse(refused).error as { code: string }).code, 'USAGE');
    const done = parse(await cli(workspace, '--json', '--yes'));
    assert.deepEqual([done.how, done.isChanged, done.document], ['append', true, shimDocument(SHIM_LIB)]);
    writeFileSync(localConfOf(workspace), '--- (debug => 1)\n');
    const byHand = await cli(workspace, '--json', '--yes');
    assert.equal(byHand.status, 64);
    assert.equal(parse(byHand).how, 'change-by-hand');
  });

  it('ends with 64 outside a workspace, and with the advice when a person has to change the file', async () => {
    assert.equal((await cli(root, '--yes')).status, 64);
    const { status, stdout } = await cli(makeWorkspace('--- (debug => 1)\n'), '--yes');
    assert.equal(status, 64);
    assert.match(stdout, /was not changed: [^]*Only one `container` key survives/);
  });
});
