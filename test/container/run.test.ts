import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { it } from 'node:test';
import { runBuild } from '../../lib/container/run.js';

it('a run that was interrupted and is over listens to no signal any more', async () => {
  const controllers = [new AbortController(), new AbortController(), new AbortController()] as const;
  const [signal, killSignal, interruptSignal] = controllers.map((controller) => controller.signal);
  assert.ok(signal && killSignal && interruptSignal);
  setTimeout(() => controllers[2].abort(), 100);
  const run = await runBuild({ argv: ['sleep', '0.5'], signal, killSignal, interruptSignal });
  assert.equal(run.interruptedBy, 'asked');
  for (const one of [signal, killSignal, interruptSignal])
    assert.equal(getEventListeners(one, 'abort').length, 0);
});
