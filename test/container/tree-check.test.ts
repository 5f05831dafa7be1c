import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import {
  reasonAgainstFolders,
  reasonAgainstState,
  reasonAgainstTree,
} from '../../lib/container/tree-check.js';
import type { LayeredTree } from '../../lib/layer/merge.js';
import { DIVISION } from '../../lib/script/division.js';
import type { Leg } from '../../lib/store/record.js';
import { HASH, recordOf } from '../snapshot/small-snapshots.js';

/** A tree of nothing but types, by path. */
const treeOf = (types: Record<string, string>): LayeredTree =>
  new Map(
    Object.entries(types).map(([path, type]) => [
      path,
      { path, meta: `${type} 644 0 0 0 0.000000000`, target: '', link: '', xattrs: '', layer: 0 },
    ]),
  );

const PLAIN = {
  ...{ '': 'd', dev: 'd', 'dev/pts': 'd', 'dev/null': 'f', 'dev/fd': 'l', etc: 'd', 'etc/hosts': 'f' },
  ...{ 'etc/resolv.conf': 'f', 'etc/mtab': 'l', rbm: 'd', 'rbm/cmd': 'f', 'rbm/run': 'f', bin: 'l' },
};

describe('a tree that a build is to go on in', () => {
  it('is used when it is as rbm leaves one', () => {
    assert.equal(reasonAgainstTree(treeOf(PLAIN)), null);
    assert.equal(reasonAgainstTree(treeOf({})), null);
  });

  const leadingOut: Record<string, string> = {
    ...{ rbm: 'l', 'rbm/cmd': 'l', 'rbm/run': 'p', 'rbm/resume': 'l', 'rbm/resume/units': 'f' },
    ...{ dev: 'l', 'dev/null': 'l', 'dev/zero': 'c', 'dev/shm': 'l', 'dev/pts': 'l' },
    ...{ etc: 'l', 'etc/hosts': 'l', 'etc/resolv.conf': 'l', proc: 'l', sys: 'l' },
  };
  for (const [path, type] of Object.entries(leadingOut)) {
    it(`is refused with a ${type} at /${path}, where the host writes`, () => {
      const reason = reasonAgainstTree(treeOf({ ...PLAIN, [path]: type }));
      assert.ok(reason?.startsWith(`/${path} in it is `), String(reason));
    });
  }

  it('has the temporary folders of its record, as directories', () => {
    const record = { ...recordOf(HASH), tmpFolders: ['/var/tmp/a', '/var/tmp/b'] };
    const inside = { var: 'd', 'var/tmp': 'd', 'var/tmp/a': 'd', 'var/tmp/b': 'd' };
    assert.equal(reasonAgainstFolders(record, treeOf(inside)), null);
    assert.match(
      String(reasonAgainstFolders(record, treeOf({ ...inside, 'var/tmp/b': 'l' }))),
      /tmp\/b in it is missing/,
    );
    assert.match(String(reasonAgainstFolders(record, treeOf({}))), /tmp\/a in it is missing/);
  });
});

describe('the state of an interrupted script', () => {
  let container: string;
  let units: string;
  beforeEach(() => {
    container = mkdtempSync(join(tmpdir(), 'rbm-resume-state-'));
    units = join(container, 'rbm', 'resume', 'units');
    mkdirSync(units, { recursive: true });
  });
  afterEach(() => rmSync(container, { recursive: true }));

  const [plain] = recordOf(HASH).legs as [Leg];
  const atStatement: Leg = { ...plain, place: 'in statement 2 of 3', division: DIVISION };
  const betweenScripts: Leg = { ...plain, stoppedIn: null };
  const reason = (legs: Leg[], endedScripts: string[] = ['pre']) =>
    reasonAgainstState(container, { legs, endedScripts });
  function layState(): void {
    writeFileSync(join(units, 'state.0.0'), '#__rr 1 1 0 1700000000 0\n#__rr-section cwd\n#__rr-end 1\n');
    writeFileSync(join(units, 'name'), 'build\n');
    writeFileSync(join(units, 'script'), '#!/bin/bash\nmake\n');
  }

  it('is used when it is that of the record’s last interrupted script', async () => {
    layState();
    assert.equal(await reason([atStatement]), null);
    assert.equal(await reason([plain, atStatement, betweenScripts]), null);
  });

  it('need not be there for a script that had none, or has ended since', async () => {
    assert.equal(await reason([plain]), null);
    assert.equal(await reason([atStatement, { ...plain, stoppedIn: 'post' }], ['pre', 'build']), null);
    assert.equal(await reason([atStatement, betweenScripts], ['pre', 'build']), null);
  });

  it('is refused where the record says that there is none', async () => {
    layState();
    assert.match(String(await reason([plain])), /its record says that there is none/);
    assert.match(String(await reason([atStatement], ['pre', 'build'])), /its record says that there is none/);
  });

  it('is refused when it is missing', async () => {
    assert.match(String(await reason([atStatement])), /that it does not hold/);
    layState();
    rmSync(join(units, 'state.0.0'));
    symlinkSync('/etc/hostname', join(units, 'state.0.0'));
    assert.match(String(await reason([atStatement])), /that it does not hold/);
  });

  const tampered: Record<string, [() => void, RegExp]> = {
    'another script’s': [() => writeFileSync(join(units, 'name'), 'post\n'), /of another script/],
    'without a name': [() => rmSync(join(units, 'name')), /of another script/],
    'of a name without an end': [() => truncateSync(join(units, 'name'), 2 ** 40), /of another script/],
    'without its script': [() => rmSync(join(units, 'script')), /is missing, or far too long/],
    'of a script without an end': [() => truncateSync(join(units, 'script'), 2 ** 40), /far too long/],
    'of a script elsewhere': [
      () => {
        rmSync(join(units, 'script'));
        symlinkSync('/etc/hostname', join(units, 'script'));
      },
      /is missing/,
    ],
  };
  for (const [what, [change, said]] of Object.entries(tampered)) {
    it(`is refused when it is ${what}`, async () => {
      layState();
      change();
      assert.match(String(await reason([atStatement])), said);
    });
  }
});
