import assert from 'node:assert/strict';
import {
  chmodSync,
  cpSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { describe, it } from 'node:test';
import { RbmResumeError } from '../../lib/errors.js';
import { applyInit, planInit } from '../../lib/setup/init.js';
import { SHIM_LIB, shimDocument } from '../../lib/setup/shim.js';
import { asAppend, initialize, localConfOf, makeWorkspace, root } from './init-workspace.js';

describe('init', () => {
  it('is harmless the second time', async () => {
    const workspace = makeWorkspace('debug: 0\n');
    const content = await initialize(workspace);
    assert.deepEqual(await planInit({ workspace }), {
      how: 'already-loaded',
      file: localConfOf(workspace),
      line: 2,
      lib: SHIM_LIB,
      notes: [],
    });
    assert.deepEqual(readFileSync(localConfOf(workspace)), content);
  });

  it('sees a shim of another package', async () => {
    const other = join(root, 'other');
    cpSync(SHIM_LIB, other, { recursive: true });
    const plan = await planInit({ workspace: makeWorkspace(shimDocument(other)) });
    assert.equal(plan.how === 'already-loaded' && plan.lib, other);
    assert.match(plan.notes.join(), /another one/);
  });

  for (const [name, conf, lib] of [
    ['double quotes', '--- |\n  use lib "LIB";\n  use RBM::Resume;\n  (RBM::Resume::options())\n', SHIM_LIB],
    [
      'qw',
      '---\na: 1\n--- |\n  use lib qw(/nowhere LIB);\n  require RBM::Resume; RBM::Resume::options();\n',
      SHIM_LIB,
    ],
    [
      'a computed path',
      '--- |\n  use lib "$ENV{X}/lib";\n  use RBM::Resume;\n  RBM::Resume::options();\n',
      null,
    ],
  ] as const) {
    it(`sees a shim that is loaded with ${name}`, async () => {
      const plan = await planInit({ workspace: makeWorkspace(conf.replace('LIB', SHIM_LIB)) });
      assert.equal(plan.how === 'already-loaded' && plan.lib, lib);
    });
  }

  for (const [name, conf, reason, steps] of [
    [
      'a path that is gone',
      shimDocument('/gone/lib'),
      /\/gone\/lib, where it is not/,
      /use lib '.*perl-shim\/lib'/,
    ],
    [
      'no call of options()',
      `--- |\n  use lib '${SHIM_LIB}';\n  use RBM::Resume;\n`,
      /doesn't return/,
      /options\(\)/,
    ],
    [
      'a later container',
      `${shimDocument(SHIM_LIB)}---\ncontainer: {user: x}\n`,
      /later document \(line 6\)/,
      /end of the file/,
    ],
    [
      'another Perl document',
      'a: 1\n--- |\n  # mine\n  (debug => 1)\n',
      /Perl document already \(line 2\)/,
      /%resume[^]*Only one `container`/,
    ],
    ['Perl on one line', "--- '(debug => 1)'\n", /Perl document already \(line 1\)/, /use RBM::Resume/],
  ] as const) {
    it(`leaves a file with ${name} to the person`, async () => {
      const workspace = makeWorkspace(conf);
      const plan = await planInit({ workspace });
      assert.ok(plan.how === 'change-by-hand');
      assert.match(plan.reason, reason);
      assert.match(plan.steps.join('\n'), steps);
      assert.equal(readFileSync(localConfOf(workspace), 'utf8'), conf);
    });
  }

  it('takes Perl that is commented out for none', async () => {
    const commented = shimDocument('/gone').replaceAll('  ', '  # ');
    assert.equal((await planInit({ workspace: makeWorkspace(commented) })).how, 'append');
  });

  it('keeps bytes that are no UTF-8', async () => {
    const conf = Buffer.from('# caf\xe9\na: 1\n', 'latin1');
    const content = await initialize(makeWorkspace(conf));
    assert.deepEqual(content, Buffer.concat([conf, Buffer.from(shimDocument(SHIM_LIB))]));
  });

  it('keeps the mode and leaves nothing beside the file', async () => {
    const workspace = makeWorkspace('a: 1\n');
    chmodSync(localConfOf(workspace), 0o640);
    const before = readdirSync(workspace);
    await initialize(workspace);
    assert.equal(statSync(localConfOf(workspace)).mode & 0o7777, 0o640);
    assert.deepEqual(readdirSync(workspace), before);
  });

  it('writes through a symbolic link, to a file that is there or not', async () => {
    for (const before of ['debug: 0\n', null]) {
      const workspace = makeWorkspace();
      mkdirSync(join(workspace, 'etc'));
      const target = join(workspace, 'etc', 'real.conf');
      if (before !== null) writeFileSync(target, before);
      symlinkSync('etc/real.conf', localConfOf(workspace));
      await initialize(workspace);
      assert.ok(lstatSync(localConfOf(workspace)).isSymbolicLink());
      assert.equal(readFileSync(target, 'utf8'), `${before ?? ''}${shimDocument(SHIM_LIB)}`);
      assert.deepEqual(readdirSync(join(workspace, 'etc')), ['real.conf']);
    }
  });

  it('does not write over a change that came meanwhile', async () => {
    const workspace = makeWorkspace('a: 1\n');
    const plan = asAppend(await planInit({ workspace }));
    writeFileSync(localConfOf(workspace), 'a: 2\n');
    await assert.rejects(applyInit(plan), hasCode('BAD_CONFIG', /changed meanwhile/));
    assert.equal(readFileSync(localConfOf(workspace), 'utf8'), 'a: 2\n');
  });

  it('refuses what is no YAML, no file, or a circle of links', async () => {
    await assert.rejects(
      planInit({ workspace: makeWorkspace('a: [1\nb: }\n') }),
      hasCode('BAD_CONFIG', /no YAML/),
    );
    const [folder, circle] = [makeWorkspace(), makeWorkspace()];
    mkdirSync(localConfOf(folder));
    await assert.rejects(planInit({ workspace: folder }), hasCode('BAD_CONFIG', /no regular file/));
    symlinkSync(basename(localConfOf(circle)), localConfOf(circle));
    await assert.rejects(planInit({ workspace: circle }), hasCode('BAD_CONFIG', /circle/));
  });
});

const hasCode =
  (code: string, message: RegExp) =>
  (error: unknown): boolean =>
    error instanceof RbmResumeError && error.code === code && message.test(error.message);
