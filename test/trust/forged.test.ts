import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { digestOf, hexOf } from '../../lib/digest.js';
import { preAuthEncoding, signEnvelope, type Envelope } from '../../lib/trust/dsse.js';
import type { SnapshotFacts } from '../../lib/trust/judge.js';
import { parseStatement, type SnapshotStatement } from '../../lib/trust/statement.js';
import { ask, envelopeOf, facts, OTHER_HASH, reasonOf, signers, trustOf } from './judging.js';

describe('a statement with one thing changed', () => {
  const original = JSON.parse(envelopeOf().toString()) as Envelope;
  const parsed = parseStatement(Buffer.from(original.payload, 'base64'));
  assert.ok('value' in parsed);
  const statement = parsed.value;

  const other: Readonly<Record<keyof SnapshotStatement['predicate'], unknown>> = {
    projectHash: OTHER_HASH,
    baseDigest: digestOf('another base'),
    step: 'publish',
    treeDigest: digestOf('another tree'),
    generation: 4,
    parent: digestOf('a parent'),
    class: 'protected',
    builder: 'somebody else',
    createdAt: '2026-05-06T07:08:08.000Z',
    expiresAt: '2036-05-06T07:08:09.000Z',
  };
  const changed: Readonly<Record<string, unknown>> = {
    ...Object.fromEntries(
      Object.entries(other).map(([field, value]) => [
        field,
        { ...statement, predicate: { ...statement.predicate, [field]: value } },
      ]),
    ),
    subject: { ...statement, subject: [{ name: 'x', digest: { sha256: hexOf(digestOf('another')) } }] },
    name: { ...statement, subject: [{ ...statement.subject[0], name: 'another name' }] },
    type: { ...statement, _type: 'https://in-toto.io/Statement/v0.1' },
    predicateType: { ...statement, predicateType: 'https://slsa.dev/provenance/v1' },
  };
  const payloadWith = (value: unknown) => Buffer.from(JSON.stringify(value));

  it('is refused when it was not signed anew, or by a stranger, or in the name of the signer by a stranger', async () => {
    const trust = await trustOf('branch', { accept: { branch: ['branch', 'protected'] } });
    assert.ok(ask(trust, envelopeOf()).isAccepted);
    assert.equal(Object.keys(other).length, Object.keys(statement.predicate).length);
    for (const [field, value] of Object.entries(changed)) {
      const payload = payloadWith(value);
      const notAnew = { ...original, payload: payload.toString('base64') };
      const byStranger = signEnvelope(payload, [signers.stranger.key]);
      const pretending = {
        ...byStranger,
        signatures: byStranger.signatures.map((one) => ({ ...one, keyid: signers.branches.key.keyId })),
      };
      for (const [how, envelope] of Object.entries({ notAnew, byStranger, pretending }))
        assert.ok(
          !ask(trust, Buffer.from(JSON.stringify(envelope))).isAccepted,
          `${field} was changed, ${how}, and it was accepted`,
        );
    }
  });

  it('is refused also when the right signer signs it, where it is on another snapshot', async () => {
    const trust = await trustOf('branch');
    for (const field of [
      'projectHash',
      'generation',
      'baseDigest',
      'step',
      'subject',
      'type',
      'predicateType',
      'class',
    ]) {
      const envelope = signEnvelope(payloadWith(changed[field]), [signers.branches.key]);
      assert.ok(!ask(trust, Buffer.from(JSON.stringify(envelope))).isAccepted, field);
    }
  });

  it('is refused where it has a field more, or one less', async () => {
    const trust = await trustOf('branch');
    const { step, ...without } = statement.predicate;
    void step;
    for (const value of [
      { ...statement, predicate: without },
      { ...statement, predicate: { ...statement.predicate, note: 'x' } },
      { ...statement, note: 'x' },
      { ...statement, subject: [...statement.subject, ...statement.subject] },
    ]) {
      const envelope = signEnvelope(payloadWith(value), [signers.branches.key]);
      assert.match(reasonOf(trust, Buffer.from(JSON.stringify(envelope))), /no statement on a snapshot/);
    }
  });

  it('does not count for another manifest, hash, generation, base or step', async () => {
    const trust = await trustOf('branch');
    const others: Partial<SnapshotFacts>[] = [
      { manifest: digestOf('another') },
      { projectHash: OTHER_HASH },
      { generation: 4 },
      { baseDigest: null },
      { baseDigest: digestOf('trixie') },
      { step: null },
    ];
    for (const more of others)
      assert.match(
        reasonOf(trust, envelopeOf(), { ...facts, ...more }),
        /what is signed/,
        JSON.stringify(more),
      );
  });
});

describe('an envelope with one bit flipped', () => {
  const original = JSON.parse(envelopeOf().toString()) as Envelope;
  const flip = (data: Buffer, bit: number): Buffer => {
    const flipped = Buffer.from(data);
    flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    return flipped;
  };

  it('is refused, whichever bit of the payload or of the signature it is', async () => {
    const trust = await trustOf('branch');
    const payload = Buffer.from(original.payload, 'base64');
    const [signature] = original.signatures;
    assert.ok(signature);
    const sig = Buffer.from(signature.sig, 'base64');
    for (let bit = 0; bit < payload.length * 8; bit += 1) {
      const envelope = { ...original, payload: flip(payload, bit).toString('base64') };
      assert.ok(!ask(trust, Buffer.from(JSON.stringify(envelope))).isAccepted, `bit ${bit} of the payload`);
    }
    for (let bit = 0; bit < sig.length * 8; bit += 1) {
      const signatures = [{ ...signature, sig: flip(sig, bit).toString('base64') }];
      const envelope = { ...original, signatures };
      assert.ok(!ask(trust, Buffer.from(JSON.stringify(envelope))).isAccepted, `bit ${bit} of the signature`);
    }
  });

  it('is refused, or is the same envelope in other letters, whichever bit of its file it is; so is every shorter one', async () => {
    const trust = await trustOf('branch');
    const file = envelopeOf();
    for (let bit = 0; bit < file.length * 8; bit += 1)
      assert.ok(!ask(trust, flip(file, bit)).isAccepted, `bit ${bit} of the file`);
    for (let length = 0; length < file.length; length += 1)
      assert.ok(!ask(trust, file.subarray(0, length)).isAccepted, `the first ${length} bytes`);
  });

  it('is refused with another type of payload, though that is signed', async () => {
    const payload = Buffer.from(original.payload, 'base64');
    const sig = signers.branches.key.sign(preAuthEncoding('text/plain', payload)).toString('base64');
    const envelope = {
      payloadType: 'text/plain',
      payload: original.payload,
      signatures: [{ keyid: signers.branches.key.keyId, sig }],
    };
    assert.match(
      reasonOf(await trustOf('branch'), Buffer.from(JSON.stringify(envelope))),
      /its attestation is none/,
    );
  });
});
