import createDebug from 'debug';

/** Where a line of `DEBUG=rbm-resume:*` comes from. */
export type TraceArea = 'exec' | 'store' | 'create' | 'exit' | 'park' | 'interrupt' | 'run' | 'hash' | 'cli';

/**
 * A function that writes one line of reasoning to standard error when `DEBUG` selects `rbm-resume:AREA`.
 * Arguments are formatted as the package `debug` does (`%s`, `%d`, `%o`).
 */
export const traceTo = (area: TraceArea): ((format: string, ...values: unknown[]) => void) =>
  createDebug(`rbm-resume:${area}`);
