import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, beforeEach, describe, it } from 'node:test';
import { compareOutputs } from '../../lib/compare/compare-outputs.js';
import { readOutputs } from '../../lib/compare/read-outputs.js';
import { sha256Hex } from '../../lib/digest.js';
import { RbmResumeError } from '../../lib/errors.js';
import { packageDir } from '../rbm/workspace.js';

const COMMAND = [join(packageDir, 'dist', 'cli', 'main.js')];
const roots: string[] = [];
after(() => roots.forEach((root) => rmSync(root, { recursive: true })));

describe('what builders say of their outputs', () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'rbm-resume-compare-'));
    roots.push(root);
  });

  function provenance(name: string, outputs: Readonly<Record<string, string>>, legs = 1): string {
    const file = join(root, name);
    writeFileSync(
      file,
      JSON.stringify({
        _type: 'https://in-toto.io/Statement/v1',
        subject: Object.entries(outputs).map(([output, content]) => ({
          name: output,
          digest: { sha256: sha256Hex(content) },
        })),
        predicateType: 'https://slsa.dev/provenance/v1',
        predicate: {
          buildDefinition: {
            internalParameters: { resumed: legs > 1, legs: Array.from({ length: legs }, () => ({})) },
          },
        },
      }),
    );
    return file;
  }
  /** As sha256sum(1) itself prints it. */
  function sums(name: string, outputs: Readonly<Record<string, string>>): string {
    const dir = mkdtempSync(join(root, 'built-'));
    for (const [output, content] of Object.entries(outputs)) writeFileSync(join(dir, output), content);
    const file = join(root, name);
    writeFileSync(file, execFileSync('sha256sum', Object.keys(outputs), { cwd: dir }));
    return file;
  }
  const run = (...args: string[]) =>
    spawnSync(process.execPath, [...COMMAND, 'compare', ...args], { cwd: root, encoding: 'utf8' });
  const refusal = async (file: string): Promise<RbmResumeError> => {
    try {
      await readOutputs(file);
    } catch (error) {
      assert.ok(error instanceof RbmResumeError, String(error));
      return error;
    }
    return assert.fail('it was read');
  };

  it('agrees, however it is said, with who went on', async () => {
    const one = provenance('a.provenance.json', { out: 'x', 'dir/more': 'y' }, 3);
    const other = provenance('b.provenance.json', { out: 'x', 'dir/more': 'y' });
    const { outputs } = await readOutputs(one);
    assert.deepEqual(outputs.get('dir/more'), {
      ...{ name: 'dir/more', sha256: sha256Hex('y') },
      ...{ resumed: true, legs: 3, toldLegs: [] },
    });
    const { status, stdout } = run(one, other);
    assert.equal(status, 0);
    assert.match(stdout, /^dir\/more +equal +[0-9a-f]{12} resumed, 3 legs +[0-9a-f]{12} in one go$/m);
    assert.match(stdout, /2 equal, 0 different, 0 not built by all/);
    const listed = run(one, sums('sha256sums', { out: 'x' }), '--json');
    assert.equal(listed.status, 79);
    const { outputs: compared } = JSON.parse(listed.stdout) as {
      outputs: { name: string; verdict: string }[];
    };
    assert.deepEqual(
      compared.map(({ name, verdict }) => [name, verdict]),
      [
        ['dir/more', 'lonely'],
        ['out', 'equal'],
      ],
    );
  });

  it('reads provenance that has the number of legs', async () => {
    const file = provenance('old.provenance.json', { out: 'x' }, 2);
    const old = readFileSync(file, 'utf8').replace(/"legs":\[[^\]]*\]/, '"legs":2');
    writeFileSync(file, old);
    const { outputs } = await readOutputs(file);
    assert.deepEqual([outputs.get('out')?.resumed, outputs.get('out')?.legs], [true, 2]);
  });

  it('differs by one byte, and the rest is told all the same', () => {
    const { status, stdout } = run(
      sums('sha256sums', { out: 'x', more: 'y' }),
      sums('other.sha256', { out: 'z', more: 'y' }),
    );
    assert.equal(status, 78);
    assert.match(stdout, /^out +DIFFERENT/m);
    assert.match(stdout, /^more +equal/m);
  });

  it('tells of what differs where its legs ran and were stopped, if somebody says so', () => {
    const file = provenance('told.provenance.json', { out: 'x' }, 2);
    const [one, two] = ['2026-01-08T00:00:00.000Z', '2026-01-08T01:00:00.000Z'];
    const legs = [
      {
        startedAt: one,
        endedAt: two,
        stoppedIn: 'build',
        place: 'in statement 2 of 9',
        builder: 'a\u001b[31m',
      },
      { startedAt: two },
    ];
    writeFileSync(
      file,
      readFileSync(file, 'utf8').replace('"legs":[{},{}]', `"legs":${JSON.stringify(legs)}`),
    );
    const { status, stdout } = run(file, sums('sha256sums', { out: 'z' }));
    assert.equal(status, 78);
    const [first, second] = stdout.split('\n').filter((line) => line.includes(': leg '));
    assert.ok(
      first?.endsWith(`leg 1 from ${one} to ${two}, stopped in build, in statement 2 of 9, by a\\033[31m`),
    );
    assert.ok(second?.endsWith(`leg 2 from ${two}`));
    copyFileSync(file, join(root, 'again.provenance.json'));
    assert.doesNotMatch(run(file, 'again.provenance.json').stdout, /leg 1/);
  });

  it('proves nothing of one builder, or of none of the outputs', () => {
    assert.equal(run(sums('sha256sums', { out: 'x' })).status, 79);
    for (const name of ['empty.sha256', 'empty.sha256sums']) writeFileSync(join(root, name), '');
    assert.equal(run('empty.sha256', 'empty.sha256sums').status, 79);
  });

  it('proves nothing where one builder is given twice', () => {
    const file = sums('sha256sums', { out: 'x' });
    symlinkSync(file, join(root, 'other.sha256'));
    const { status, stderr } = run(file, 'other.sha256');
    assert.equal(status, 64);
    assert.match(stderr, /other\.sha256 is given twice/);
  });

  it('has the legs of a build once in JSON, however many outputs it has', () => {
    const legs = JSON.stringify([{ startedAt: '2026-01-08T00:00:00.000Z' }]);
    const one = provenance('one.provenance.json', { a: 'x', b: 'y' });
    writeFileSync(one, readFileSync(one, 'utf8').replace('"legs":[{}]', `"legs":${legs}`));
    const { stdout } = run(one, sums('sha256sums', { a: 'x', b: 'y' }), '--json');
    const { sources, outputs } = JSON.parse(stdout) as {
      sources: { source: string; builds: { legs: { startedAt: string }[] }[] }[];
      outputs: { told: { build: number | null }[] }[];
    };
    assert.deepEqual(
      sources.map(({ builds }) => builds.map((build) => build.legs.map(({ startedAt }) => startedAt))),
      [[['2026-01-08T00:00:00.000Z']], []],
    );
    assert.deepEqual(
      outputs.map(({ told }) => told.map(({ build }) => build)),
      [
        [0, null],
        [0, null],
      ],
    );
  });

  it('is all that a folder has, where nothing contradicts anything', async () => {
    const dir = join(root, 'published');
    mkdirSync(dir);
    provenance('published/a.provenance.json', { a: '1' }, 2);
    provenance('published/b.provenance.json', { b: '2' });
    sums('published/sha256sums.txt', { a: '1', c: '3' });
    writeFileSync(join(dir, 'notes.txt'), 'nothing of the kind');
    const { outputs } = await readOutputs(dir);
    assert.deepEqual(
      [...outputs.values()].map(({ name, legs }) => [name, legs]),
      [
        ['a', 2],
        ['b', 1],
        ['c', null],
      ],
    );
    sums('published/zz.sha256', { b: 'other' });
    const { code, message } = await refusal(dir);
    assert.equal(code, 'BAD_STATEMENT');
    assert.match(message, /zz\.sha256 can't be used: it says of b /);
  });

  it('has names as sha256sum escapes them', async () => {
    const name = 'a\\b\nc';
    const { outputs } = await readOutputs(sums('sha256sums', { [name]: 'x' }));
    assert.deepEqual([...outputs.keys()], [name]);
  });

  it('is refused where it is no statement', async () => {
    const file = join(root, 'a.provenance.json');
    for (const [text, reason] of [
      ['', /it is no in-toto statement/],
      ['{}', /it is no in-toto statement: _type/],
      ['{"_type":"https://in-toto.io/Statement/v1","subject":[{"name":"a","digest":{}}]}', /sha256/],
      [
        '{"_type":"https://in-toto.io/Statement/v1","subject":[{"name":"a","digest":{"sha256":"00"}}]}',
        /sha256/,
      ],
    ] as const) {
      writeFileSync(file, text);
      const { code, message } = await refusal(file);
      assert.equal(code, 'BAD_STATEMENT');
      assert.match(message, reason);
    }
    writeFileSync(join(root, 'sha256sums'), `${'0'.repeat(64)}  a\nnothing\n`);
    assert.match((await refusal(join(root, 'sha256sums'))).message, /its line 2 is not one of sha256sum's/);
    assert.equal((await refusal(join(root, 'gone'))).code, 'NO_SUCH_FILE');
    mkdirSync(join(root, 'nothing'));
    assert.equal((await refusal(join(root, 'nothing'))).code, 'NO_SUCH_FILE');
  });

  it('is compared among any number of builders', async () => {
    const sources = await Promise.all(
      ['x', 'x', 'z'].map((content, number) =>
        readOutputs(provenance(`${number}.provenance.json`, { out: content, [`only-${number}`]: content })),
      ),
    );
    const found = compareOutputs(sources).map(({ name, verdict }) => [name, verdict]);
    assert.deepEqual(found, [
      ['only-0', 'lonely'],
      ['only-1', 'lonely'],
      ['only-2', 'lonely'],
      ['out', 'different'],
    ]);
  });
});
