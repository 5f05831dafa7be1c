import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseScript } from '../../lib/script/syntax.js';
import { rewriteScript } from '../../lib/script/rewrite.js';
import { findUnits, type Unit } from '../../lib/script/units.js';

const script = (body: string): Buffer => Buffer.from(`#!/bin/bash\n${body}\n`, 'latin1');

async function unitsOf(body: string) {
  const { syntax } = await parseScript(script(body));
  assert.ok(syntax);
  return findUnits(syntax);
}

/** `1 1.1 1.2 2 f1.1` */
async function idsOf(body: string): Promise<string> {
  const { units, functions } = await unitsOf(body);
  const ids = (unit: Unit): string[] => [unit.id, ...unit.units.flatMap(ids)];
  return [...units, ...[...functions.values()].flat()].flatMap(ids).join(' ');
}

/** The ids of those that no state is kept before. */
async function heldOf(body: string): Promise<string> {
  const { units } = await unitsOf(body);
  return units.flatMap(({ id, heldBackBy }) => (heldBackBy === null ? [] : [id])).join(' ');
}

describe('the units of a script', () => {
  it('are its statements, and those in loops, branches and groups', async () => {
    assert.equal(await idsOf('a; b && c\nd | e'), '1 2 3');
    assert.equal(await idsOf('for x in 1; do a; b; done'), '1 1.1 1.2');
    assert.equal(await idsOf('if a; then b; elif c; then d; else e; fi'), '1 1.1.1 1.2.1 1.3.1');
    assert.equal(await idsOf('while a; do { b; c; }; done'), '1 1.1 1.1.1 1.1.2');
    assert.equal(await idsOf('case $x in a) b ;; *) c; d ;; esac'), '1 1.1.1 1.2.1 1.2.2');
    assert.equal(await idsOf('for ((i = 0; i < 3; i++)); do a; done'), '1 1.1');
  });

  it('go into a function where a statement does nothing but call it', async () => {
    assert.equal(await idsOf('f() { a; b; }\nf 1 "$x"'), '1 2 f1.1 f1.2');
    for (const call of [
      'f | c',
      'f > log',
      'f "$(c)"',
      'X=1 f',
      'f || c',
      'f &',
      '! f',
      'if f; then a; fi',
    ]) {
      assert.doesNotMatch(await idsOf(`f() { a; b; }\n${call}`), /f1/, call);
    }
  });

  it('do not go into a function that may mean another one, calls itself, or goes to another shell', async () => {
    for (const body of [
      'f() { a; }\nf() { b; }\nf',
      'f() { g; }\ng() { f; }\nf',
      'f() { "$@"; }\nf f',
      'f() { a; }\nexport -f f\nf',
      'if x; then f() { a; }; fi\nf',
      'f() { local -; set -x; }\nf',
      'f\nf() { a; }',
    ]) {
      assert.doesNotMatch(await idsOf(body), /f1/, body);
    }
    assert.match(await idsOf('install() { make install; }\ninstall'), /f1\.1/);
  });

  it('do not go where what is read or redirected would be lost', async () => {
    for (const body of [
      'while read x; do a; done',
      'for x in 1; do a; done < list',
      'for x in 1; do a; done | b',
      'while getopts ab o; do a; done',
      'for x in 1; do a; done &',
      'case $(a) in b) c ;; esac',
      'case $x in $y) c ;; esac',
      '( a; b )',
      'for x in 1; do cat <<E; done\ntext\nE',
    ]) {
      assert.equal(await idsOf(body), '1', body);
    }
  });

  it('hold together from a background job to where it is waited for', async () => {
    assert.equal(await heldOf('a &\nb\nwait\nc'), '2 3');
    assert.equal(await heldOf('a &\nb\nc'), '2 3');
    assert.equal(await heldOf('f() { a & }\nb\nf\nc'), '4');
    assert.equal(await heldOf('( a & )\nb'), '');
  });

  it('hold together while the shell itself writes elsewhere, or has what no variable holds', async () => {
    assert.equal(await heldOf('exec > log\na\nb'), '2 3');
    assert.equal(await heldOf('exec 3>&1 > log\na\nexec >&3 3>&-\nb'), '2 3');
    assert.equal(await heldOf('RANDOM=7\necho $RANDOM'), '2');
    assert.equal(await heldOf('coproc a\nb'), '2');
    assert.equal(await heldOf('[[ a =~ (.) ]]\nb\necho ${BASH_REMATCH[1]}\nc'), '2 3');
    assert.equal(await idsOf('a | b\necho ${PIPESTATUS[0]}\nc'), '1 2');
  });
});

describe('a rewritten script', () => {
  it('has its lines where they were, and every byte of the first one', async () => {
    const body =
      'for x in $(a\nb); do\n  cat <<E && c\nfi done é\nE\n  d & e\ndone # not here\nf() {\n  g\n}\nf';
    const { script: rewritten } = await rewriteScript(script(body));
    assert.ok(rewritten);
    const lines = (text: Buffer) => text.toString('latin1').split('\n').length;
    assert.equal(lines(rewritten), lines(script(body)));
    for (const part of ['$(a\nb)', 'cat <<E && c', '\nfi done é\nE\n', '# not here'])
      assert.ok(rewritten.toString('latin1').includes(part), part);
  });

  it('is refused where it is not understood, or would see what is put into it', async () => {
    for (const [source, reason] of [
      ['#!/bin/sh\na\n', /not a bash script/],
      ['a\n', /not a bash script/],
      ['#!/bin/bash\nif a; then\n', /./],
      ['#!/bin/bash\n# nothing\n', /no statement/],
      ['#!/bin/bash\ntrap a DEBUG\nb\n', /trap a DEBUG/],
      ['#!/bin/bash\nset -ev\nb\n', /set -ev/],
      ['#!/bin/bash\ndeclare -F\n', /declare -F/],
      ['#!/bin/bash\nset\n', /: set/],
      ['#!/bin/bash\nbuiltin() { a; }\n', /builtin/],
    ] as const) {
      const result = await rewriteScript(Buffer.from(source));
      assert.ok(result.script === null, source);
      assert.match(result.reason, reason, source);
    }
  });

  it('is not refused for what only looks so', async () => {
    for (const body of [
      'set -e -x',
      'set -euo pipefail',
      'find . -type f',
      '# trap a DEBUG\nb',
      'echo é“”',
    ]) {
      assert.ok((await rewriteScript(script(body))).script, body);
    }
  });
});
