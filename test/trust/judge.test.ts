import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { signEnvelope, type Envelope } from '../../lib/trust/dsse.js';
import { kindOf, type JobClass } from '../../lib/trust/job-class.js';
import { NO_POLICY } from '../../lib/trust/judge.js';
import {
  ask,
  CLASSES,
  DAY_MS,
  envelopeOf,
  factsOf,
  HASH,
  NOW,
  OTHER_HASH,
  reasonOf,
  type SignerName,
  signers,
  SIGNS,
  trustOf,
} from './judging.js';

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
