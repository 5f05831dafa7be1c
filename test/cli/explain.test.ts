import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { makeWorkspace, packageDir, rbmsUnderTest } from '../rbm/workspace.js';

const COMMAND = [join(packageDir, 'dist', 'cli', 'main.js'), 'explain'];

describe('rbm-resume explain', { timeout: 600_000 }, () => {
  const dir = mkdtempSync(join(tmpdir(), 'rbm-resume-explain-'));
  after(() => rmSync(dir, { recursive: true }));
  const explain = (args: readonly string[], options: { cwd?: string; env?: NodeJS.ProcessEnv } = {}) =>
    spawnSync(process.execPath, [...COMMAND, ...args], {
      cwd: options.cwd ?? dir,
      env: { ...process.env, ...options.env },
      encoding: 'utf8',
    });
  const write = (name: string, text: string): string => {
    writeFileSync(join(dir, name), text);
    return name;
  };

  it('lists the units of a file with their lines, what is in them, and what endangers a restart', () => {
    const file = write(
      'build',
      '#!/bin/bash\nset -e\nfor lib in a b; do\n  ./configure "$lib"\n  make -j4\ndone\n' +
        'while read -r name; do\n  make "$name"\ndone < names\nmake docs &\nmv x y\nwait\n',
    );
    const { status, stdout, stderr } = explain([file]);
    assert.deepEqual([status, stderr], [0, '']);
    assert.equal(
      stdout,
      `build: 6 statements, 8 units

unit  lines
1     2       set -e
2     3-6     for lib in a b; do
2.1   4         ./configure "$lib"
2.2   5     !   make -j4
3     7-9     while read -r name; do
                (one unit: its input is redirected)
4     10    ! make docs &
5     11    | mv x y
                (with the unit before: what line 10 began may still run in the background)
6     12    | wait
                (with the unit before: what line 10 began may still run in the background)

! is interrupted at once, and goes on from what is there; any other unit is given time to end first
| no state is kept before it: it begins again with the last unit in front of it that has no |

2 things endanger a restart:
line 10: &: while it runs no state is kept, up to a \`wait\` without arguments: all since then would be run again
line 11: mv: run again, it fails: its source has moved
`,
    );
  });

  it('prints the same as JSON', () => {
    const file = write('json', '#!/bin/bash\nmkdir x\nmake\n');
    const { status, stdout } = explain([file, '--json']);
    assert.equal(status, 0);
    assert.deepEqual(JSON.parse(stdout), {
      what: 'json',
      tags: 0,
      how: 'divided',
      count: 2,
      units: [
        { ...PLAIN, id: '1', line: 2, endLine: 2, text: 'mkdir x' },
        { ...PLAIN, id: '2', line: 3, endLine: 3, text: 'make', onInterrupt: 'at-once' },
      ],
      hazards: [
        {
          line: 2,
          kind: 'not-repeatable',
          what: 'mkdir',
          message: 'run again, it fails: the folder is there',
        },
      ],
    });
  });

  it('says what happens with a script that is not divided, and ends with 0', () => {
    for (const [text, why] of [
      ['#!/bin/sh\nmake\n', /runs? as it is: it is not a bash script\n.*keeps nothing/],
      ['#!/bin/bash\nif make; then\n', /runs? as it is: line \d+/],
      [
        '#!/bin/bash\ntrap "echo x" DEBUG\nmake\n',
        /runs? as it is: nothing can be put between its statements: .*DEBUG/,
      ],
    ] as const) {
      const { status, stdout } = explain([write('as-it-is', text)]);
      assert.equal(status, 0);
      assert.match(stdout, why);
    }
  });

  it('takes the tags out of a template, and says so', () => {
    const { status, stdout, stderr } = explain([
      write('template', '#!/bin/bash\n[% IF c("x") -%]\nmake -j[% c("num_procs") %]\n[% END -%]\n'),
    ]);
    assert.equal(status, 0);
    assert.match(stdout, /^1 +3 +! make -jTEMPLATE_VALUE$/m);
    assert.match(stderr, /a template with 3 tags/);
  });

  it('ends with 66 without the file, and with 64 after wrong usage', () => {
    const missing = explain(['./missing']);
    assert.equal(missing.status, 66, missing.stderr);
    assert.match(missing.stderr, /there is no file \.\/missing \[NO_SUCH_FILE\]/);
    assert.equal(explain([]).status, 64);
    const outside = explain(['tally']);
    assert.equal(outside.status, 64, outside.stderr);
    assert.match(outside.stderr, /NO_WORKSPACE/);
  });

  for (const { name, dir: rbmDir } of rbmsUnderTest()) {
    it(`lets ${name} render the script of a project`, () => {
      const workspace = makeWorkspace();
      after(() => rmSync(join(workspace, '..'), { recursive: true }));
      const rbm = join(rbmDir, 'rbm');
      const named = explain(['tally', '--', rbm, 'build', 'tally', '--target', 'test'], { cwd: workspace });
      assert.equal(named.status, 0, named.stderr);
      assert.match(named.stdout, /^\d+ +\d+ +! .*make/m);
      assert.doesNotMatch(named.stdout, /TEMPLATE_VALUE|\[%/);
      const byVariable = explain(['tally', '--', '--target', 'test'], {
        cwd: workspace,
        env: { RBM: rbm },
      });
      assert.equal(byVariable.stdout, named.stdout, byVariable.stderr);
      const unknown = explain(['nonsense', '--', rbm], { cwd: workspace });
      assert.equal(unknown.status, 74, unknown.stderr);
      assert.match(unknown.stderr, /Unknown project nonsense/);
    });
  }
});

const PLAIN = { depth: 0, onInterrupt: 'wait', heldBecause: null, wholeBecause: null } as const;
