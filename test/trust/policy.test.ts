import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { RbmResumeError } from '../../lib/errors.js';
import { isJobClass, kindOf, parseJobClass } from '../../lib/trust/job-class.js';
import { readPolicy } from '../../lib/trust/policy.js';
import { folder, makePolicy, makeSigner, writePolicy } from './signers.js';

const [one, two] = [makeSigner('one'), makeSigner('two')];
const key = { name: 'one', public_key: 'one.pub', classes: ['branch'] };

describe('a class of job', () => {
  it('is pr/N, branch, protected or release', () => {
    for (const good of ['pr/1', 'pr/1234567890', 'branch', 'protected', 'release'])
      assert.ok(isJobClass(good));
    for (const bad of [
      '',
      'pr',
      'pr/',
      'pr/0',
      'pr/01',
      'pr/-1',
      'pr/1/..',
      'pr/12345678901',
      'Branch',
      'branch\n',
    ])
      assert.throws(() => parseJobClass(bad), { code: 'USAGE' }, bad);
    assert.equal(kindOf(parseJobClass('pr/12')), 'pr');
    assert.equal(kindOf('release'), 'release');
  });
});

describe('a policy file', () => {
  it('has keys in files beside it or in itself, and defaults that are safe', async () => {
    const policy = await makePolicy({
      keys: [key, { name: 'two', public_key: two.publicPem, classes: ['pr', 'release'] }],
    });
    assert.deepEqual(
      policy.keys.map(({ name, keyId, classes }) => [name, keyId, classes]),
      [
        ['one', one.key.keyId, ['branch']],
        ['two', two.key.keyId, ['pr', 'release']],
      ],
    );
    const { accept, unsigned, maxAgeMs, releaseSigner } = policy;
    assert.deepEqual(accept, { pr: ['pr'], branch: ['branch'], protected: ['protected'], release: [] });
    assert.deepEqual([unsigned, maxAgeMs, releaseSigner], [[], null, null]);
  });

  it('says what is accepted, how old it may be, and whose releases resume', async () => {
    const policy = await makePolicy({
      keys: [{ ...key, classes: ['release'] }],
      accept: { pr: [], protected: ['branch'] },
      unsigned: ['branch'],
      max_age_days: 1.5,
      release: { resume: true },
    });
    const { accept, unsigned, maxAgeMs, releaseSigner } = policy;
    assert.deepEqual(accept, { pr: [], branch: ['branch'], protected: ['branch'], release: ['release'] });
    assert.deepEqual([unsigned, maxAgeMs, releaseSigner], [['branch'], 129_600_000, 'one']);
  });

  const releaseKeys = [
    { ...key, classes: ['release'] },
    { name: 'two', public_key: 'two.pub', classes: ['release'] },
  ];
  const bad: readonly [string, unknown, string][] = [
    ['another format', { format: 2, keys: [] }, 'format'],
    ['no keys', { format: 1 }, 'keys'],
    ['a field that is not known', { format: 1, keys: [], acept: {} }, 'acept'],
    ['a field of a key that is not known', { format: 1, keys: [{ ...key, comment: 'x' }] }, 'keys.0.comment'],
    [
      'a class that is not known',
      { format: 1, keys: [{ ...key, classes: ['nightly'] }] },
      'keys.0.classes.0',
    ],
    ['a key without a class', { format: 1, keys: [{ ...key, classes: [] }] }, 'keys.0.classes'],
    ['a name that is none', { format: 1, keys: [{ ...key, name: 'a b' }] }, 'keys.0.name'],
    [
      'a file that is missing',
      { format: 1, keys: [{ ...key, public_key: 'gone.pub' }] },
      'keys.0.public_key',
    ],
    ['a private key', { format: 1, keys: [{ ...key, public_key: 'one' }] }, 'keys.0.public_key'],
    ['one name twice', { format: 1, keys: [key, { ...key, public_key: 'two.pub' }] }, 'keys.1'],
    ['one key twice', { format: 1, keys: [key, { ...key, name: 'other' }] }, 'keys.1'],
    ['protected that takes pr', { format: 1, keys: [], accept: { protected: ['pr'] } }, 'accept.protected'],
    ['accept.release', { format: 1, keys: [], accept: { release: ['release'] } }, 'accept.release'],
    ['unsigned releases', { format: 1, keys: [], unsigned: ['release'] }, 'unsigned.0'],
    ['no days', { format: 1, keys: [], max_age_days: 0 }, 'max_age_days'],
    ['a release without a signer', { format: 1, keys: [key], release: { resume: true } }, 'release.signer'],
    [
      'a release of two signers',
      { format: 1, keys: releaseKeys, release: { resume: true } },
      'release.signer',
    ],
    [
      'a signer who signs no releases',
      { format: 1, keys: [...releaseKeys.slice(1), key], release: { resume: true, signer: 'one' } },
      'release.signer',
    ],
    ['what is no YAML', 'format: [', 'the whole'],
    ['one field twice', 'format: 1\nkeys: []\nkeys: []\n', 'the whole'],
    ['two documents', 'format: 1\nkeys: []\n---\nformat: 1\n', 'the whole'],
    ['a list', '- 1\n', 'format'],
    ['nothing', '', 'the whole'],
    ['a tag', 'format: 1\nkeys: !!js/function []\n', 'the whole'],
    [
      'a bomb of aliases',
      `a: &a [x]\nb: &b [${'*a,'.repeat(99)}*a]\nc: [${'*b,'.repeat(99)}*b]\n`,
      'the whole',
    ],
  ];
  for (const [what, policy, field] of bad)
    it(`is refused with ${what}, and the file and the field are named`, async () => {
      const file = writePolicy(policy);
      await assert.rejects(readPolicy(file), (error: unknown) => {
        assert.ok(error instanceof RbmResumeError, String(error));
        assert.equal(error.code, 'BAD_POLICY', error.message);
        assert.deepEqual([error.fields.file, error.fields.field], [file, field], error.message);
        assert.ok(error.message.includes(file));
        return true;
      });
    });

  it('is refused where it is missing, no file, or lies in the store', async () => {
    await assert.rejects(readPolicy(join(folder, 'missing.yml')), { code: 'BAD_POLICY' });
    await assert.rejects(readPolicy(folder), { code: 'BAD_POLICY' });
    await assert.rejects(readPolicy('/dev/zero'), { code: 'BAD_POLICY' });
    const store = join(folder, 'store');
    mkdirSync(store);
    writeFileSync(join(store, 'policy.yml'), 'format: 1\nkeys: []\n');
    symlinkSync(join(store, 'policy.yml'), join(folder, 'link.yml'));
    for (const file of [join(store, 'policy.yml'), join(folder, 'link.yml')]) {
      await assert.rejects(readPolicy(file, { store }), { code: 'BAD_POLICY', message: /lies in the store/ });
      await readPolicy(file);
    }
  });
});
