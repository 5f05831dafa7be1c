import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { randomCase, runAtRandom, type RandomCase } from '../../fixtures/scripts/run-at-random.js';
import { readRuntime } from '../../fixtures/scripts/runtime.js';
import { rewriteScript } from '../../lib/script/rewrite.js';

/** EVERYWHERE=1 for a long run; RANDOM_SCRIPTS, _SEED and _PATH, as a failure prints them, for another one or the same again. */
const isLong = process.env.EVERYWHERE === '1';
const runs = Number(process.env.RANDOM_SCRIPTS ?? (isLong ? 2000 : 5));
const seed = Number(process.env.RANDOM_SCRIPTS_SEED ?? (isLong ? Date.now() % 1e9 : 1));
const path = process.env.RANDOM_SCRIPTS_PATH === undefined ? {} : { path: process.env.RANDOM_SCRIPTS_PATH };

/** A case takes about a second, and shrinking tries hundreds: it ends with the smallest found by then. */
const SHRINKING_SECONDS = 120;

const options = { rewrite: rewriteScript, runtime: readRuntime() };

test(
  `a random script that is interrupted does what it does in one go (${runs} scripts, seed ${seed})`,
  {
    timeout: (SHRINKING_SECONDS + 60 + runs * 60) * 1000,
  },
  async (context) => {
    let shrinkUntil = Infinity;
    const seen = { scripts: 0, undivided: 0, interruptions: 0 };
    const property = fc.asyncProperty(randomCase, async (plan: RandomCase) => {
      fc.pre(Date.now() < shrinkUntil);
      try {
        const { reason, interruptions } = await runAtRandom(plan, options);
        seen.scripts++;
        if (reason !== null) seen.undivided++;
        seen.interruptions += interruptions;
      } catch (error) {
        shrinkUntil = Math.min(shrinkUntil, Date.now() + SHRINKING_SECONDS * 1000);
        throw error;
      }
    });
    const found = await fc.check(property, { numRuns: runs, seed, ...path, maxSkipsPerRun: 100_000 });
    context.diagnostic(
      `${seen.scripts} scripts, ${seen.undivided} of them not divided, ${seen.interruptions} interruptions`,
    );
    if (!found.failed) return;
    const [smallest] = found.counterexample ?? [];
    const again = `RANDOM_SCRIPTS_SEED=${seed} RANDOM_SCRIPTS_PATH=${found.counterexamplePath}`;
    const error =
      found.errorInstance instanceof Error ? found.errorInstance.message : String(found.errorInstance);
    assert.fail(`${again}\n${smallest?.text}\n${JSON.stringify({ ...smallest, text: '' })}\n${error}`);
  },
);
