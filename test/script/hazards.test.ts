import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { explainScript, type ExplainedUnit } from '../../lib/script/explain.js';
import { findHazards } from '../../lib/script/hazards.js';
import { parseScript } from '../../lib/script/syntax.js';
import { replaceTags } from '../../lib/script/template.js';

async function hazardsOf(script: string): Promise<string[]> {
  const { syntax } = await parseScript(Buffer.from(`#!/bin/bash\n${script}\n`));
  assert.notEqual(syntax, null, script);
  return syntax === null ? [] : findHazards(syntax).map(({ line, what }) => `${line - 1} ${what}`);
}

/** Of each line what is found in it; `null` where nothing may be. */
const LINES: readonly (readonly [string, string | null])[] = [
  ['patch -p1 < fix.diff', 'patch'],
  ['patch -p1 -i fix.diff', 'patch'],
  ['patch -N -p1 < fix.diff', null],
  ['patch --forward -p1 < fix.diff', null],
  ['patch -p1 --dry-run < fix.diff && patch -p1 < fix.diff', null],
  ['if patch -Rp1 --dry-run < fix.diff; then :; else patch -p1 < fix.diff; fi', null],
  ['mv a b', 'mv'],
  ['/bin/mv a b', 'mv'],
  ['sudo mv a b', 'mv'],
  ['env LC_ALL=C mv a b', 'mv'],
  ['for f in *; do ( mv "$f" b ); done', 'mv'],
  ['echo mv a b', null],
  ['echo one >> log', '>>'],
  ['echo one &>> log', '>>'],
  ['for f in *; do echo $f; done >> log', '>>'],
  ['echo one >> /dev/stderr', null],
  ['echo one > log', null],
  ['echo one | tee -a log', 'tee'],
  ['echo one | tee log', null],
  ['mkdir build', 'mkdir'],
  ['mkdir -p build', null],
  ['mkdir -vp build', null],
  ['ln -s a b', 'ln'],
  ['ln -sf a b', null],
  ['ln -s -f a b', null],
  ['rm a', 'rm'],
  ['rm -r a', 'rm'],
  ['rm -rf a', null],
  ['git am fix.patch', 'git am'],
  ['git -C source apply fix.patch', 'git apply'],
  ['git apply --check fix.patch', null],
  ['git commit -m x', 'git commit'],
  ['git checkout main', null],
  ['sed -i s/a/b/ file', null],
  ['cp -r source target', 'cp'],
  ['cp -a source/. target', null],
  ['cp -r source target/', null],
  ['cp -r source .', null],
  ['cp -rT source target', null],
  ['cp -a one.dll two.dll', null],
  ['cp one target', null],
  ['unzip a.zip', 'unzip'],
  ['unzip -o a.zip', null],
  ['useradd builder', 'useradd'],
  ['make constructor', null],
  ['make &', '&'],
  ['for f in *; do make $f & done', '&'],
  ['make && make install', null],
  ['coproc cat', 'coproc'],
  ['cat &', '&'],
  ['name=$RANDOM', '$RANDOM'],
  ['name="x${RANDOM}x"', '$RANDOM'],
  ["name='$RANDOM'", null],
  ['name=$RANDOMLY', null],
  ['echo $EPOCHSECONDS', '$EPOCHSECONDS'],
  ['echo $SECONDS', '$SECONDS'],
  ['echo /tmp/x.$$', '$$'],
  ['date', 'date'],
  ['now=$(date +%s)', 'date'],
  ['echo "$(date -u -d now)"', 'date'],
  ['date -d @1700000000', null],
  ['date -u --date="@$SOURCE_DATE_EPOCH"', null],
  ['date -ud "@$SOURCE_DATE_EPOCH"', null],
  ['date -r file', null],
  ["printf '%(%F)T\\n'", 'printf'],
  ["printf '%(%F)T\\n' -1", 'printf'],
  ["printf '%(%F)T\\n' 1700000000", null],
  ['dir=$(mktemp -d)', 'mktemp'],
  ['cat /proc/cpuinfo', '/proc/cpuinfo'],
  ['cpus=$(grep -c processor < /proc/cpuinfo)', '/proc/cpuinfo'],
  ['head -c 8 /dev/urandom > key', '/dev/urandom'],
  ['read -r line', 'read'],
  ['read -r line < file', null],
  ['while read -r line; do echo "$line"; done < file', null],
  ['while read -r line; do echo "$line"; done', 'read'],
  ['echo x | while read -r line; do echo "$line"; done', null],
  ['read -r -u 3 line', null],
  ['read -r line <<< text', null],
  ['cat > file', 'cat'],
  ['cat > file << END\ntext\nEND', null],
  ['cat file', null],
];

describe('findHazards', () => {
  for (const [script, what] of LINES) {
    it(`${what === null ? 'finds nothing in' : `finds ${what} in`} ${script.split('\n')[0]}`, async () => {
      assert.deepEqual(await hazardsOf(script), what === null ? [] : [`1 ${what}`]);
    });
  }

  it('tells them in the order of the lines, each once a line, and what would happen', async () => {
    assert.deepEqual(await hazardsOf('f() {\n  mv a b; mv c d\n}\nmkdir x; f\n# mv e f'), [
      '2 mv',
      '4 mkdir',
    ]);
    const { syntax } = await parseScript(Buffer.from('#!/bin/bash\nmkdir x\n'));
    assert.deepEqual(syntax && findHazards(syntax), [
      {
        line: 2,
        kind: 'not-repeatable',
        what: 'mkdir',
        message: 'run again, it fails: the folder is there',
      },
    ]);
  });
});

async function explain(script: string): Promise<readonly ExplainedUnit[]> {
  const explained = await explainScript(Buffer.from(`#!/bin/bash\n${script}\n`));
  assert.equal(explained.how, 'divided');
  return explained.how === 'divided' ? explained.units : [];
}

describe('explainScript', () => {
  it('says why a statement is not gone into', async () => {
    for (const [script, why] of [
      ['while read -r a; do make $a; done < list', /its input is redirected/],
      ['for a in b; do make $a; done > log', /its output is redirected/],
      ['{ make; } > log < list', /its input and output are redirected/],
      ['( cd x; make )', /it is a subshell/],
      ['ls | while read -r a; do make $a; done', /part of a pipeline/],
      ['cd x && { make; make install; }', /joined with && or \|\|/],
      ['for a in b; do make; done &', /runs in the background/],
      ['while read -r a; do make $a; done', /its condition reads/],
      ['case $(uname) in L*) make;; esac', /its word or a pattern/],
      ['if cat << E; then make; fi\nE', /here-document/],
      ['for ((i = $(nproc); i > 0; i--)); do make; done', /its head/],
      ['for a in b; do make $a & done', /still there when it has ended/],
      ['f() { make; }', /its body is part/],
      ['false | true\necho ${PIPESTATUS[0]}', /line 3 uses what it leaves/],
    ] as const) {
      const [unit] = await explain(script);
      assert.match(unit?.wholeBecause ?? 'null', why, script);
    }
  });

  it('says nothing of what is gone into, and of plain commands', async () => {
    for (const script of ['for a in b; do make; done', 'make | tee log', 'x=$(cd y; make)', 'cd x && make']) {
      for (const unit of await explain(script)) assert.equal(unit.wholeBecause, null, script);
    }
  });

  it('says what holds units together, and where that began', async () => {
    const units = await explain('cd x\nmake one &\nmake two\nwait\nmake three');
    assert.deepEqual(
      units.map(({ heldBecause }) => heldBecause?.replace(/.*(line \d+).*/, '$1') ?? null),
      [null, null, 'line 3', 'line 3', null],
    );
  });

  it('lists the units of a function behind its definition', async () => {
    const units = await explain('f() {\n  ./configure\n  make\n}\nf');
    assert.deepEqual(
      units.map(({ id, depth, onInterrupt }) => `${id} ${depth} ${onInterrupt}`),
      ['1 0 wait', 'f1.1 1 wait', 'f1.2 1 at-once', '2 0 wait'],
    );
  });
});

describe('replaceTags', () => {
  it('keeps the lines, puts a word where a value was, and nothing where a directive was', () => {
    const template = 'a\n[% IF c("x") -%]\nmake -j[% c("n") %] [% c(\n"y") %]\n[% END %]\n[%# note %]\n';
    const { text, tags } = replaceTags(template);
    assert.equal(text, 'a\n\nmake -jTEMPLATE_VALUE TEMPLATE_VALUE\\\n\n\n\n');
    assert.equal(text.split('\n').length, template.split('\n').length);
    assert.equal(tags, 5);
  });
});
