import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { oneLineRewriter, type Fault } from '../../fixtures/scripts/one-line-rewriter.js';
import { runPlain, runScript } from '../../fixtures/scripts/run-script.js';
import type { ScriptCase } from '../../fixtures/scripts/script-case.js';

const script: ScriptCase = {
  name: 'harness.sh',
  about: 'one statement on each line',
  source: Buffer.from(
    [
      '# statements that each can be resumed on its own',
      'step one',
      'echo to the output; echo to the other >&2',
      '(step two; exit 3)',
      'echo "status $?"',
      'long make',
      'step three > file',
      'exit 4',
      '',
    ].join('\n'),
  ),
  args: [],
  tracesItself: false,
  namesItself: false,
};

/** Which field tells, and in which way of running it shows. */
const FAULTS: readonly (readonly [Fault, RegExp])[] = [
  ['repeats', /killed after every step.*not at its end/],
  ['skips', /in one go|killed after every step/],
  ['starts over', /killed after every step.*not at its end/],
  ['forgets status', /killed after every step.*\nstdout:\n.*\n {2}- status 3\n {2}\+ status 0/],
  ['loses output', /held.*\nstdout:/],
];

describe('the harness of the script corpus', { concurrency: 4 }, () => {
  it('runs a script as it is', async () => {
    const { steps, longs, outcome } = await runPlain(script, {});
    assert.deepEqual([steps, longs, outcome.end], [3, 1, 'status 4']);
    assert.deepEqual(outcome.log, ['one | . 022', 'two | . 022', 'long make', 'three | . 022']);
    assert.equal(outcome.stdout, 'to the output\nstatus 3\n');
    assert.equal(outcome.stderr, 'to the other\n');
    assert.ok(outcome.tree.includes('file 644 ""'));
  });

  it('finds nothing wrong with a rewriting that is right', async () => {
    const report = await runScript(script, { rewrite: oneLineRewriter(), everywhere: true });
    assert.deepEqual(report, { reason: null, steps: 3, stops: 3, longs: 1 });
  });

  it('finds that a script which is started over has lost its place', async () => {
    const rewrite = (source: Buffer) => Promise.resolve({ script: source });
    await assert.rejects(runScript(script, { rewrite }), /killed in long command 1 of 1 .*\nlog:/);
  });

  for (const [fault, message] of FAULTS) {
    it(`notices a rewriting that ${fault}`, async () => {
      await assert.rejects(runScript(script, { rewrite: oneLineRewriter(fault) }), { message });
    });
  }

  it('tells why a script is not rewritten', async () => {
    const rewrite = () => Promise.resolve({ script: null, reason: 'no shell' } as const);
    assert.deepEqual(await runScript(script, { rewrite }), { reason: 'no shell' });
  });
});
