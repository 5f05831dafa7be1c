import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isFolderPath, reasonAgainstRecord, type WantedBuild } from '../../lib/container/record-check.js';
import { parseSnapshotRecord, type Leg, type SnapshotRecord } from '../../lib/store/record.js';
import { HASH, recordOf } from '../snapshot/small-snapshots.js';

const build: WantedBuild = {
  ...{ project: 'hello', step: 'build', targets: ['release'], version: '1.2', filename: 'hello-1.2.tar.gz' },
  expectedScripts: ['pre', 'build', 'post'],
};
const good: SnapshotRecord = {
  ...recordOf(HASH),
  ...build,
  tmpFolders: ['/var/tmp/tmp.Ab0_-x', '/var/tmp/tmp.second'],
  endedScripts: ['pre'],
};
const [leg] = good.legs as [Leg];
const legWith = (more: Partial<Leg>): Partial<SnapshotRecord> => ({ legs: [{ ...leg, ...more }] });
const reasonWith = (more: Partial<SnapshotRecord>) => reasonAgainstRecord({ ...good, ...more }, build);

describe('the record of what a build goes on in', () => {
  it('is as this build writes it', () => {
    assert.equal(reasonAgainstRecord(good, build), null);
    assert.equal(
      reasonWith({ tmpFolders: [], endedScripts: ['pre', 'build', 'post'], ...legWith({ stoppedIn: null }) }),
      null,
    );
  });

  const otherBuilds: Partial<SnapshotRecord>[] = [
    { project: 'other' },
    { step: 'publish' },
    { step: null },
    { targets: [] },
    { targets: ['release', 'linux'] },
    { version: '1.3' },
    { filename: null },
    { expectedScripts: null },
    { expectedScripts: ['pre', 'build'] },
    { expectedScripts: ['build', 'pre', 'post'] },
  ];
  for (const other of otherBuilds) {
    it(`is refused as another build’s with ${JSON.stringify(other)}`, () => {
      assert.match(String(reasonWith(other)), /^its record is of another build: /);
    });
  }

  const badScripts: [Partial<SnapshotRecord>, RegExp][] = [
    [{ endedScripts: ['build'] }, /not the first ones/],
    [{ endedScripts: ['pre', 'post'] }, /not the first ones/],
    [{ endedScripts: ['pre', 'pre'] }, /not the first ones/],
    [{ endedScripts: ['pre', 'build', 'post', 'get'] }, /not the first ones/],
    [{ endedScripts: ['pre 0\nbuild 0\nget'] }, /not the first ones/],
    [{ endedScripts: ['pre', 'build'] }, /has ended and that it was interrupted/],
    [{ legs: [] }, /no leg/],
    [legWith({ stoppedIn: 'get' }), /stopped in "get"/],
    [legWith({ stoppedIn: '$(touch /tmp/x)' }), /stopped in/],
  ];
  for (const [bad, reason] of badScripts) {
    it(`is refused for its scripts: ${JSON.stringify(bad)}`, () =>
      assert.match(String(reasonWith(bad)), reason));
  }

  const harmful = [
    '/var/tmp/a; touch /tmp/x',
    '/var/tmp/$(touch /tmp/x)',
    '/var/tmp/`touch /tmp/x`',
    "/var/tmp/a'b",
    '/var/tmp/a"b',
    '/var/tmp/a b',
    '/var/tmp/a\nb',
    '/var/tmp/a\\b',
    '/var/tmp/[% c("x") %]',
    '/var/tmp/*',
    '/var/tmp/~root',
    '/var/tmp/-rf',
    '/var/tmp/a/../../../etc',
    '/var/tmp/./a',
    '/var/tmp/..',
    '/var//tmp',
    '/var/tmp/',
    '/',
    '',
    'var/tmp/a',
    '/var/tmp/ä',
    `/var/tmp/${'a'.repeat(500)}`,
  ];
  it('has temporary folders that no shell and no template takes for anything else', () => {
    for (const path of harmful) {
      assert.equal(isFolderPath(path), false, path);
      assert.match(String(reasonWith({ tmpFolders: ['/var/tmp/a', path] })), /is no path for a folder$/);
    }
    for (const path of ['/a', '/var/tmp/tmp.aZ09_-x', '/home/rbm/.cache/..x', '/x/...'])
      assert.ok(isFolderPath(path), path);
  });

  it('has two temporary folders at most, and two different ones', () => {
    assert.match(String(reasonWith({ tmpFolders: ['/a', '/b', '/c'] })), /has 3 temporary folders/);
    assert.match(String(reasonWith({ tmpFolders: ['/a', '/a'] })), /are the same one/);
  });

  it('is told of in one short line', () => {
    const reason = String(reasonWith({ project: `a\n\u001b[2J${'b'.repeat(5000)}` }));
    assert.ok(reason.length < 400 && !/[\n\u001b]/.test(reason), reason);
  });
});

describe('the shape of a snapshot’s record', () => {
  const parse = (more: object) => parseSnapshotRecord(JSON.stringify({ ...good, ...more }));
  /** JSON can say what `JSON.stringify` does not. */
  const parseWith = (from: string, to: string) => {
    const text = JSON.stringify(good);
    assert.ok(text.includes(from));
    return parseSnapshotRecord(text.replace(from, to));
  };

  it('is what is written', () => assert.deepEqual(parse({}), good));

  const wrong: Record<string, object> = {
    'more legs than anybody has': { legs: Array.from({ length: 1001 }, () => leg) },
    'a leg of negative length': { legs: [{ ...leg, seconds: -1 }] },
    'a leg of ten years': { legs: [{ ...leg, seconds: 315_360_000 }] },
    'a division that is no number of one': { legs: [{ ...leg, division: 0.5 }] },
    'an escalation that we don’t know': { legs: [{ ...leg, escalation: 'SIGSEGV' }] },
    'a time that is none': { parkedAt: 'yesterday' },
    'a time without an end': { parkedAt: `2026-01-02T03:04:05.${'0'.repeat(100)}Z` },
    'text that steers a terminal': { version: '1.2\u001b[2J' },
    'text without an end': { filename: 'a'.repeat(10_000) },
    'a project that is a list': { project: ['hello'] },
    'another format': { format: 2 },
    'a hash that is none': { hash: '../../etc' },
    'folders that are objects': { tmpFolders: [{}] },
    'inputs that are numbers': { inputs: { a: 1 } },
  };
  for (const [what, more] of Object.entries(wrong)) {
    it(`is not ${what}`, () => assert.equal(parse(more), null));
  }

  it('has no numbers beyond those that there are', () => {
    assert.equal(parseWith('"seconds":245', '"seconds":1e999'), null);
    assert.equal(parseWith('"division":null', '"division":1e300'), null);
  });

  it('is no deep or broken JSON', () => {
    for (const text of [
      '',
      '{',
      'null',
      '[]',
      '"x"',
      '['.repeat(100_000),
      `${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}`,
    ])
      assert.equal(parseSnapshotRecord(text), null);
  });

  it('does not become another object by a name such as __proto__', () => {
    const text = JSON.stringify(good).replace(/^\{/, '{"__proto__":{"workspace":"/x"},"constructor":1,');
    const record = parseSnapshotRecord(text);
    assert.ok(record === null || !('workspace' in record));
  });
});
