import assert from 'node:assert/strict';
import { lstatSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { prepareScript } from '../../lib/container/prepare-script.js';
import { describePosition } from '../../lib/container/script-units.js';
import { storePaths } from '../../lib/store/paths.js';

let root: string;
let units: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'rbm-resume-units-'));
  units = join(root, 'container', 'rbm', 'resume', 'units');
  mkdirSync(units, { recursive: true });
  mkdirSync(live().dir, { recursive: true });
  writeFileSync(join(root, 'build'), '#!/bin/bash\nmake\n');
});
afterEach(() => rmSync(root, { recursive: true }));

const live = () => storePaths(join(root, 'store')).live('id');
const prepare = () =>
  prepareScript({
    container: join(root, 'container'),
    live: live(),
    name: 'build',
    source: join(root, 'build'),
    command: 'cd /var/tmp/x; ./build',
  });

describe('the preparation of a script', () => {
  it('writes through no link that the build has left', async () => {
    const victim = join(root, 'victim');
    writeFileSync(victim, 'untouched');
    const left = ['units/script', 'rewritten', 'original', 'script'].map((name) => join(units, '..', name));
    left.forEach((link) => symlinkSync(victim, link));
    assert.equal((await prepare()).how, 'divided');
    assert.equal(readFileSync(victim, 'utf8'), 'untouched');
    for (const file of left) assert.ok(lstatSync(file).isFile());
  });

  it('begins anew where nothing was begun, and nowhere else', async () => {
    const state = join(units, 'state.0.1');
    for (const text of ['', '#__rr 1 1 0 17000', '#__rr 1 1 0 1700000000 0\n#__rr-section cwd\n']) {
      writeFileSync(state, text);
      writeFileSync(join(units, 'script'), '#!/bin/bash\nmake\n');
      assert.equal((await prepare()).how, 'divided', text);
    }
    for (const damage of ['#__rr 7 3 0 1700', 'nonsense']) {
      writeFileSync(state, damage);
      await assert.rejects(prepare(), { code: 'BAD_RECORD' }, damage);
    }
    rmSync(state);
    symlinkSync(join(root, 'build'), state);
    await assert.rejects(prepare(), { code: 'BAD_RECORD' });
  });

  it('says where a script stands, at the end of a turn and of the script, too', () => {
    const outline = {
      count: 2,
      units: { '1': { line: 2, text: 'while' }, '1.1': { line: 3, text: 'make' } },
    };
    assert.equal(describePosition(outline, '1.1'), 'statement 1 of 2 (line 3): make');
    assert.equal(describePosition(outline, '1.2'), 'statement 1 of 2 (line 2): while');
    assert.equal(describePosition(outline, '3'), 'the end of its 2 statements');
  });
});
