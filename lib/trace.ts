import { createRequire } from 'node:module';
import type createDebug from 'debug';

/** Where a line of `DEBUG=rbm-resume:*` comes from. */
export type TraceArea =
  'exec' | 'store' | 'create' | 'exit' | 'park' | 'interrupt' | 'run' | 'snapshot' | 'registry';

type Trace = (format: string, ...values: unknown[]) => void;

/**
 * A function that writes one line of reasoning to standard error when `DEBUG` selects `rbm-resume:AREA`.
 * Arguments are formatted as the package `debug` does (`%s`, `%d`, `%o`).
 */
export function traceTo(area: TraceArea): Trace {
  // The package is loaded only when somebody listens: a hook that runs for every project would pay for it.
  if ((process.env.DEBUG ?? '') === '') return () => {};
  const debug = createRequire(import.meta.url)('debug') as typeof createDebug;
  return debug(`rbm-resume:${area}`);
}
