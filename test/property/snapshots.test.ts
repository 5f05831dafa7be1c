import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { casePlan, runCase, type CasePlan } from '../../fixtures/trees/run-case.js';
import { libraryEngine } from '../../fixtures/trees/library-engine.js';
import type { SnapshotEngine } from '../../fixtures/trees/snapshot-engine.js';
import { KEEP_ALL, tarEngine } from '../../fixtures/trees/tar-engine.js';

/**
 * TREES=1000 for a long run, of other trees each time; TREES_SEED and TREES_PATH, as a failure prints them, for the same run
 * again. Without them the trees are always the same ones, so that a change is judged by what it changes.
 */
const runs = Number(process.env.TREES ?? 6);
const seed = Number(process.env.TREES_SEED ?? (process.env.TREES === undefined ? 1 : Date.now() % 1e9));
const path = process.env.TREES_PATH === undefined ? {} : { path: process.env.TREES_PATH };

/** A case takes about a second, and shrinking tries hundreds: it ends with the smallest found by then. */
const SHRINKING_SECONDS = 90;

/** Runs random cases and fails with seed, path and the smallest case found. */
async function checkCases(engine: SnapshotEngine, parameters: fc.Parameters<[CasePlan]>): Promise<void> {
  let shrinkUntil = Infinity;
  const property = fc.asyncProperty(casePlan, async (plan) => {
    fc.pre(Date.now() < shrinkUntil);
    try {
      await runCase(engine, plan);
    } catch (error) {
      shrinkUntil = Math.min(shrinkUntil, Date.now() + SHRINKING_SECONDS * 1000);
      throw error;
    }
  });
  await fc.assert(property, { ...parameters, maxSkipsPerRun: 100_000, includeErrorInReport: true });
}

test(
  `a restored tree is the container that was saved, whatever the build did (${runs} builds, seed ${seed})`,
  { timeout: (SHRINKING_SECONDS + 60 + runs * 20) * 1000 },
  () => checkCases(libraryEngine, { numRuns: runs, seed, ...path }),
);

test('the harness finds nothing wrong with whole tarballs', { timeout: 900_000 }, async () => {
  await checkCases(tarEngine(), { numRuns: 10, seed });
});

for (const [what, flags, field] of [
  ['drops xattrs', KEEP_ALL.filter((flag) => !flag.startsWith('--xattrs')), 'xattrs'],
  ['drops capabilities', KEEP_ALL.filter((flag) => flag !== '--xattrs-include=*'), 'xattrs'],
  ['fills holes', KEEP_ALL.filter((flag) => flag !== '--sparse'), 'blocks'],
  [
    'rounds times',
    KEEP_ALL.filter((flag) => flag !== '--sparse').concat('--pax-option=delete=mtime'),
    'mtime',
  ],
  ['copies hard links', [...KEEP_ALL, '--hard-dereference'], 'links'],
] as const) {
  test(`the harness notices an engine that ${what}`, { timeout: 900_000 }, async () => {
    const differences = new Set<string>();
    const property = fc.asyncProperty(casePlan, async (plan) => {
      await runCase(tarEngine(flags), plan).catch((error: Error) => {
        differences.add(/: (\w+) is /.exec(error.message)?.[1] ?? error.message);
        fc.pre(differences.has(field));
        throw error;
      });
    });
    const found = await fc.check(property, { numRuns: 40, endOnFailure: true, seed: 1 });
    assert.ok(found.failed, `found only: ${[...differences].join(', ')}`);
    assert.ok(differences.has(field));
  });
}
