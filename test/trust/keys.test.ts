import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  existsSync,
  fstatSync,
  openSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { generateKey, parseVerifyingKey, readSigningKey } from '../../lib/trust/keys.js';
import { parseEnvelope, preAuthEncoding, signEnvelope, signersOf } from '../../lib/trust/dsse.js';
import { folder, makeSigner } from './signers.js';

const openssl = (...args: string[]) => {
  const result = spawnSync('openssl', args, { encoding: 'utf8' });
  if (result.error) throw result.error;
  return result;
};

describe('a key pair', () => {
  it('is two new files, of which nobody else may read the private one', async () => {
    const file = join(folder, 'made');
    const { keyId, publicFile } = await generateKey(file);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.equal(readSigningKey({ file }).keyId, keyId);
    assert.equal(parseVerifyingKey(readFileSync(publicFile, 'utf8')).keyId, keyId);
    const der = spawnSync('openssl', ['pkey', '-in', file, '-pubout', '-outform', 'DER']);
    const sum = spawnSync('sha256sum', { input: der.stdout, encoding: 'utf8' });
    assert.equal(sum.stdout.slice(0, 64), keyId);
  });

  it('takes no file of another', async () => {
    const [first, second] = [join(folder, 'first'), join(folder, 'second')];
    await generateKey(first);
    const before = readFileSync(first);
    await assert.rejects(generateKey(first), { code: 'BAD_KEY' });
    assert.deepEqual(readFileSync(first), before);
    writeFileSync(second, '');
    await assert.rejects(generateKey(second), { code: 'BAD_KEY' });
    assert.ok(!existsSync(`${second}.pub`), 'a public key without its private one stays behind');
  });
});

describe('a private key', () => {
  it('is refused when others may read it', () => {
    const { privateFile } = makeSigner('open');
    chmodSync(privateFile, 0o640);
    assert.throws(() => readSigningKey({ file: privateFile }), {
      code: 'BAD_KEY',
      message: /read by others/,
    });
  });

  it('is refused, and not told, when it is none', () => {
    const file = join(folder, 'none');
    for (const text of ['', 'secret', '-----BEGIN PRIVATE KEY-----\nsecret\n-----END PRIVATE KEY-----\n']) {
      writeFileSync(file, text, { mode: 0o600 });
      assert.throws(
        () => readSigningKey({ file }),
        (error: Error) => !`${error.stack} ${String(error.cause)}`.includes('secret'),
      );
    }
    assert.throws(() => readSigningKey({ file: join(folder, 'missing') }), { code: 'BAD_KEY' });
    openssl('genpkey', '-algorithm', 'ed448', '-out', file);
    chmodSync(file, 0o600);
    assert.throws(() => readSigningKey({ file }), { code: 'BAD_KEY', message: /not of ed25519/ });
  });

  it('is read from a descriptor, which is closed then', () => {
    const { privateFile, key } = makeSigner('descriptor');
    const descriptor = openSync(privateFile, 'r');
    assert.equal(readSigningKey({ descriptor }).keyId, key.keyId);
    assert.throws(() => fstatSync(descriptor), { code: 'EBADF' });
    assert.throws(() => readSigningKey({ descriptor }), { code: 'BAD_KEY' });
    const empty = openSync('/dev/null', 'r');
    assert.throws(() => readSigningKey({ descriptor: empty }), { code: 'BAD_KEY' });
    assert.throws(() => closeSync(empty), { code: 'EBADF' });
    for (const number of [1, 2, -1, 1.5, NaN])
      assert.throws(() => readSigningKey({ descriptor: number }), { code: 'USAGE' });
  });
});

describe('a public key', () => {
  it('is refused when it is a private one, or of another kind', () => {
    const { privateFile } = makeSigner('private');
    assert.throws(() => parseVerifyingKey(readFileSync(privateFile, 'utf8')), { code: 'BAD_KEY' });
    const { stdout } = openssl(
      'genpkey',
      '-algorithm',
      'ed448',
      '-outpubkey',
      '/dev/stdout',
      '-out',
      '/dev/null',
    );
    if (stdout !== '') assert.throws(() => parseVerifyingKey(stdout), { code: 'BAD_KEY' });
    assert.throws(() => parseVerifyingKey('key'), { code: 'BAD_KEY' });
  });
});

describe('a signature', () => {
  it('is one for openssl, too, of what DSSE says', () => {
    const { key, publicFile, publicPem } = makeSigner('judged');
    const payload = Buffer.from('{"a":"ü"}');
    const envelope = signEnvelope(payload, [key]);
    const [data, sig] = [join(folder, 'data'), join(folder, 'sig')];
    const signed = Buffer.concat([Buffer.from('DSSEv1 28 application/vnd.in-toto+json 10 '), payload]);
    assert.deepEqual(preAuthEncoding(envelope.payloadType, payload), signed);
    writeFileSync(data, signed);
    writeFileSync(sig, Buffer.from(envelope.signatures[0]?.sig ?? '', 'base64'));
    const verify = [
      'pkeyutl',
      '-verify',
      '-rawin',
      '-pubin',
      '-inkey',
      publicFile,
      '-in',
      data,
      '-sigfile',
      sig,
    ];
    const judged = openssl(...verify);
    assert.equal(judged.status, 0, judged.stdout + judged.stderr);
    writeFileSync(data, Buffer.concat([signed, Buffer.from(' ')]));
    assert.notEqual(openssl(...verify).status, 0);
    assert.equal(signersOf(envelope, [parseVerifyingKey(publicPem)]).length, 1);
  });

  it('is taken from openssl', () => {
    const { privateFile, publicPem } = makeSigner('theirs');
    const verifying = parseVerifyingKey(publicPem);
    const payload = Buffer.from('{}');
    const data = join(folder, 'to-sign');
    writeFileSync(data, preAuthEncoding('application/vnd.in-toto+json', payload));
    const made = spawnSync('openssl', ['pkeyutl', '-sign', '-rawin', '-inkey', privateFile, '-in', data]);
    const envelope = {
      payloadType: 'application/vnd.in-toto+json' as const,
      payload: payload.toString('base64'),
      signatures: [{ keyid: verifying.keyId, sig: made.stdout.toString('base64') }],
    };
    assert.equal(signersOf(envelope, [verifying]).length, 1);
  });
});

describe('an envelope', () => {
  const good = {
    payloadType: 'application/vnd.in-toto+json',
    payload: 'e30=',
    signatures: [{ keyid: 'a', sig: 'AA==' }],
  };
  const parse = (value: unknown) => parseEnvelope(Buffer.from(JSON.stringify(value)));

  it('is nothing but its three fields, in canonical base64', () => {
    assert.ok('value' in parse(good));
    for (const bad of [
      { ...good, payload: 'e30' },
      { ...good, payload: 'e31=' },
      { ...good, payload: 'e30=\n' },
      { ...good, payload: 'e3_=' },
      { ...good, signatures: [] },
      { ...good, signatures: [{ keyid: 'a', sig: 'AB==' }] },
      { ...good, signatures: [{ sig: 'AA==' }] },
      { ...good, signatures: [{ keyid: 'a', sig: 'AA==', cert: 'x' }] },
      { ...good, signatures: Array.from({ length: 17 }, () => good.signatures[0]) },
      { ...good, more: 1 },
      { ...good, payloadType: 'text/plain' },
      [good],
      null,
    ])
      assert.ok('problem' in parse(bad), JSON.stringify(bad));
    assert.ok('problem' in parseEnvelope(Buffer.alloc(70_000, ' ')));
    assert.ok('problem' in parseEnvelope(Buffer.from([0xff])));
  });
});
