import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { digestOf, hexOf, parseProjectHash, type ProjectHash } from '../../lib/digest.js';
import { preAuthEncoding, signEnvelope, type Envelope } from '../../lib/trust/dsse.js';
import { kindOf, type JobClass, type JobKind } from '../../lib/trust/job-class.js';
import { judge, NO_POLICY, type SnapshotFacts, type Trust } from '../../lib/trust/judge.js';
import { attest } from '../../lib/trust/sign.js';
import { parseStatement, type SnapshotStatement } from '../../lib/trust/statement.js';
import { makePolicy, makeSigner } from './signers.js';

const [HASH, OTHER_HASH] = [parseProjectHash('ab'.repeat(32)), parseProjectHash('cd'.repeat(32))];
const NOW = new Date('2026-05-06T07:08:09.000Z');
const DAY_MS = 86_400_000;

const factsOf = (
  hash: ProjectHash,
  base: string,
): SnapshotFacts & { treeDigest: ReturnType<typeof digestOf> } => ({
  manifest: digestOf(`manifest of ${hash} on ${base}`),
  projectHash: hash,
  generation: 3,
  baseDigest: digestOf(base),
  step: 'build',
  treeDigest: digestOf(`tree of ${hash}`),
});
const facts = factsOf(HASH, 'bookworm');

const signers = {
  anybody: makeSigner('anybody'),
  branches: makeSigner('branches'),
  official: makeSigner('official'),
  releases: makeSigner('releases'),
  stranger: makeSigner('stranger'),
};
type SignerName = keyof typeof signers;
const SIGNS: Readonly<Record<SignerName, readonly JobKind[]>> = {
  anybody: ['pr'],
  branches: ['pr', 'branch'],
  official: ['branch', 'protected', 'release'],
  releases: ['release'],
  stranger: [],
};
const keys = (['anybody', 'branches', 'official', 'releases'] as const).map((name) => ({
  name,
  public_key: signers[name].publicPem,
  classes: SIGNS[name],
}));

const CLASSES: readonly JobClass[] = ['pr/7', 'pr/8', 'branch', 'protected', 'release'];

interface Made {
  readonly by?: SignerName;
  readonly made?: JobClass;
  readonly of?: SnapshotFacts & { readonly treeDigest: ReturnType<typeof digestOf> };
  readonly at?: Date;
  readonly expiresInMs?: number;
}

const envelopeOf = ({ by = 'branches', made = 'branch', of = facts, at = NOW, ...more }: Made = {}): Buffer =>
  Buffer.from(
    attest(
      { ...of, parent: null },
      { key: signers[by].key, jobClass: made, builder: 'job 12', now: at, ...more },
    ),
  );

const ask = (trust: Trust, envelope: Uint8Array | null, of: SnapshotFacts = facts, now = NOW) =>
  judge(trust, { facts: of, envelope, now });

const trustOf = async (jobClass: JobClass | null, more: Record<string, unknown> = {}): Promise<Trust> => ({
  policy: await makePolicy({ keys, ...more }),
  jobClass,
  trouble: null,
});

function reasonOf(trust: Trust, envelope: Uint8Array | null, of?: SnapshotFacts): string {
  const judgement = ask(trust, envelope, of);
  assert.ok(!judgement.isAccepted, 'it was accepted');
  return judgement.reason;
}

describe('what a job goes on in', () => {
  /** The policies of the table, and which classes a job of a class takes by each. */
  const POLICIES: readonly {
    readonly name: string;
    readonly more: Record<string, unknown>;
    readonly takes: (job: JobClass, made: JobClass) => boolean;
    readonly releaseSigner?: SignerName;
  }[] = [
    { name: 'the defaults', more: {}, takes: (job, made) => job === made && job !== 'release' },
    {
      name: 'more is accepted',
      more: {
        accept: { pr: ['branch', 'protected'], branch: ['branch', 'pr', 'release'], protected: ['branch'] },
      },
      takes: (job, made) =>
        ({
          pr: ['branch', 'protected'],
          branch: ['branch', 'pr', 'release'],
          protected: ['branch'],
          release: [] as string[],
        })[kindOf(job)].includes(kindOf(made)),
    },
    {
      name: 'a pr takes those of pr, and releases resume',
      more: { accept: { pr: ['pr', 'branch'] }, release: { resume: true, signer: 'releases' } },
      takes: (job, made) => job === made || (kindOf(job) === 'pr' && made === 'branch'),
      releaseSigner: 'releases',
    },
    {
      name: 'releases resume what official has signed',
      more: { release: { resume: true, signer: 'official' } },
      takes: (job, made) => job === made,
      releaseSigner: 'official',
    },
    {
      name: 'release.resume is off',
      more: { release: { resume: false } },
      takes: (job, made) => job === made && job !== 'release',
    },
  ];

  for (const { name, more, takes, releaseSigner } of POLICIES) {
    it(`is what the table says, for every class, signer, project and base: ${name}`, async () => {
      let accepted = 0;
      for (const job of CLASSES) {
        const trust = await trustOf(job, more);
        for (const made of CLASSES)
          for (const by of Object.keys(signers) as SignerName[])
            for (const hash of [HASH, OTHER_HASH])
              for (const base of ['bookworm', 'trixie']) {
                const envelope = envelopeOf({ by, made, of: factsOf(hash, base) });
                const isRight =
                  hash === HASH &&
                  base === 'bookworm' &&
                  SIGNS[by].includes(kindOf(made)) &&
                  takes(job, made) &&
                  (job !== 'release' || by === releaseSigner);
                const judgement = ask(trust, envelope);
                const what = `${job} asks for what ${by} signed as ${made} of ${hash} on ${base}`;
                assert.equal(judgement.isAccepted, isRight, `${what}: ${JSON.stringify(judgement)}`);
                if (judgement.isAccepted) {
                  assert.equal(judgement.signer?.name, by);
                  assert.equal(judgement.statement?.predicate.builder, 'job 12');
                  accepted += 1;
                } else assert.match(judgement.reason, /^\w.*[^.]$/);
              }
      }
      assert.ok(accepted > 0);
    });
  }

  it('is nothing that nobody has signed, where there is a policy that does not say so', async () => {
    for (const job of CLASSES)
      assert.match(reasonOf(await trustOf(job), null), /nobody has signed it|a release goes on in nothing/);
    const trust = await trustOf('branch', { unsigned: ['branch'] });
    assert.ok(ask(trust, null).isAccepted);
    assert.match(reasonOf({ ...trust, jobClass: 'protected' }, null), /nobody has signed it/);
    assert.match(reasonOf({ ...trust, jobClass: 'pr/7' }, null), /nobody has signed it/);
  });

  it('is everything where there is no policy, but a release begins clean', () => {
    assert.ok(ask(NO_POLICY, null).isAccepted);
    assert.ok(ask({ ...NO_POLICY, jobClass: 'pr/7' }, envelopeOf({ by: 'stranger' })).isAccepted);
    assert.match(reasonOf({ ...NO_POLICY, jobClass: 'release' }, null), /no policy switches that on/);
  });

  it('is nothing when the policy could not be read, or nobody says of which class the job is', async () => {
    const trust = await trustOf('branch');
    assert.equal(reasonOf({ ...trust, policy: null, trouble: 'it is gone' }, envelopeOf()), 'it is gone');
    assert.match(reasonOf({ ...trust, jobClass: null }, envelopeOf()), /nobody says of which class/);
  });

  it('is nothing that is too old, has expired, or is of tomorrow', async () => {
    const trust = await trustOf('branch', { max_age_days: 2 });
    const made = (at: number, expiresInMs = 10 * DAY_MS) =>
      ask(trust, envelopeOf({ at: new Date(NOW.getTime() + at), expiresInMs }));
    assert.ok(made(-2 * DAY_MS).isAccepted);
    assert.ok(!made(-2 * DAY_MS - 1).isAccepted);
    assert.ok(made(0, 1).isAccepted);
    assert.ok(!made(-1, 1).isAccepted);
    assert.ok(made(600_000).isAccepted);
    assert.ok(!made(600_001).isAccepted);
  });

  it('may be signed by several, of whom one counts', async () => {
    const payload = Buffer.from((JSON.parse(envelopeOf().toString()) as Envelope).payload, 'base64');
    const both = Buffer.from(
      JSON.stringify(signEnvelope(payload, [signers.stranger.key, signers.branches.key])),
    );
    assert.ok(ask(await trustOf('branch'), both).isAccepted);
  });
});

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
