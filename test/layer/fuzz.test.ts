import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { RbmResumeError } from '../../lib/errors.js';
import { makeArchives } from './archive-pool.js';
import { mutate } from './mutate.js';
import { mutation } from './mutations.js';
import { compareReaders, seeByUs } from './other-readers.js';

const isLong = process.env['EVERYWHERE'] === '1';
const ARCHIVES = Number(process.env['ARCHIVES'] ?? (isLong ? 20_000 : 400));
/** The short form is the same each time: what chance finds in the long form should not stop somebody else's change. */
const SEED = Number(process.env['SEED'] ?? (isLong ? Date.now() % 2 ** 31 : 1));
const AT_ONCE = 400;
const mutations = fc.array(mutation, { minLength: 1, maxLength: 3 });

/** Why we refuse an archive, or `null` when we read it. */
function refusal(bytes: Buffer): string | null {
  try {
    seeByUs(bytes);
    return null;
  } catch (error) {
    assert.ok(error instanceof RbmResumeError, `not an error of ours: ${String(error)}`);
    assert.match(error.code, /^(?:BAD_LAYER|LAYER_TOO_BIG)$/);
    assert.match(error.message, /^cannot use the layer, at byte \d+ of its archive(?:, [^\n]+)?: [^\n]+$/);
    return error.message;
  }
}

describe('an archive that was changed at random', () => {
  it(`is refused, or GNU tar and bsdtar read the same: ${ARCHIVES}, SEED=${SEED}`, async (t) => {
    let [read, refused, different] = [0, 0, 0];
    const findings: string[] = [];
    for (let from = 0, round = 0; from < ARCHIVES; from += AT_ONCE, round += 1) {
      const pool = await makeArchives(SEED + round, 2);
      if (round === 0)
        assert.deepEqual(
          compareReaders(pool),
          pool.map(() => null),
        );
      const plans = fc.sample(mutations, { seed: SEED + round, numRuns: Math.min(AT_ONCE, ARCHIVES - from) });
      const accepted: { readonly bytes: Buffer; readonly name: string }[] = [];
      for (const [number, plan] of plans.entries()) {
        const bytes = mutate(pool[number % pool.length] as Buffer, plan, pool);
        if (refusal(bytes) === null)
          accepted.push({ bytes, name: `archive ${from + number}: ${JSON.stringify(plan)}` });
        else refused += 1;
      }
      const differences = compareReaders(accepted.map(({ bytes }) => bytes));
      read += accepted.length;
      for (const [number, difference] of differences.entries()) {
        if (difference === null) continue;
        different += 1;
        findings.push(`${accepted[number]?.name}\n  ${difference}`);
      }
    }
    t.diagnostic(`${read} read, ${refused} refused, ${different} read in different ways`);
    assert.equal(different, 0, `SEED=${SEED}: read in different ways:\n${findings.slice(0, 40).join('\n')}`);
    assert.ok(read > ARCHIVES / 20 && refused > ARCHIVES / 20, 'one of the two hardly ever happens');
  });
});
