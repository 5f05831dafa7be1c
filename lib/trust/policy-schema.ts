import * as v from 'valibot';
import { JOB_KINDS } from './job-class.js';

const kinds = v.pipe(
  v.array(v.picklist(JOB_KINDS)),
  v.check((list) => new Set(list).size === list.length, 'a class stands twice'),
);

/** What a policy file holds; docs/security.md describes it. Nothing else may stand in it. */
export const policySchema = v.strictObject({
  format: v.literal(1),
  keys: v.array(
    v.strictObject({
      /** For messages, and for `release.signer`. */
      name: v.pipe(v.string(), v.regex(/^[\w.@+-]{1,100}$/, 'not a name: letters, digits and .@+-_')),
      /** PEM, or the path of a file relative to the policy. */
      public_key: v.string(),
      /** The classes of jobs for whose snapshots its signature counts. */
      classes: v.pipe(kinds, v.minLength(1, 'no class')),
    }),
  ),
  /**
   * Of which classes a job of a class takes snapshots; of pull requests its own only (`branch: [pr]`: any). What is not
   * named takes those of its own class.
   */
  accept: v.exactOptional(
    v.strictObject({
      pr: v.exactOptional(kinds),
      branch: v.exactOptional(kinds),
      protected: v.exactOptional(
        v.pipe(
          kinds,
          v.check(
            (list) => !list.includes('pr'),
            'anybody can start a pr: protected never takes what it made',
          ),
        ),
      ),
    }),
  ),
  /** Classes whose jobs also take what nobody has signed. */
  unsigned: v.exactOptional(v.array(v.picklist(['pr', 'branch', 'protected']))),
  /** Older snapshots are not taken, whatever their own expiry says. */
  max_age_days: v.exactOptional(v.pipe(v.number(), v.finite(), v.gtValue(0))),
  release: v.exactOptional(
    v.strictObject({
      /** Whether a release goes on in a snapshot, or in what is parked, at all. */
      resume: v.boolean(),
      /** The name of the one key that counts then; may be left out where one key alone signs releases. */
      signer: v.exactOptional(v.string()),
    }),
  ),
});

export type PolicyFile = v.InferOutput<typeof policySchema>;
