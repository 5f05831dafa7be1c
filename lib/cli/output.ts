import { createRequire } from 'node:module';
import type CliTable from 'cli-table3';
import prettyBytes from 'pretty-bytes';
import prettyMs from 'pretty-ms';
import { ERROR_EXIT_STATUS, RbmResumeError } from '../errors.js';
import { toIoFailure } from '../system-error.js';

/** Prints one value as JSON on standard output: what `--json` is. */
export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
}

export const printLine = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

/** A line for the person or the log, beside what the command itself prints. */
export const printNote = (line: string): void => {
  process.stderr.write(`rbm-resume: ${line}\n`);
};

/** A table without frames, which grep, cut and awk can read. */
export function printTable(head: readonly string[], rows: readonly (readonly string[])[]): void {
  // Loaded only here, since each hook and verb has to do with this module.
  const Table = createRequire(import.meta.url)('cli-table3') as typeof CliTable;
  const none = Object.fromEntries(
    ['top', 'top-mid', 'top-left', 'top-right', 'bottom', 'bottom-mid', 'bottom-left', 'bottom-right']
      .concat(['left', 'left-mid', 'mid', 'mid-mid', 'right', 'right-mid'])
      .map((name) => [name, '']),
  );
  const style = { 'padding-left': 0, 'padding-right': 0, head: [], border: [] };
  const table = new Table({ head: [...head], chars: { ...none, middle: '  ' }, style });
  rows.forEach((row) => table.push([...row]));
  printLine(table.toString().replace(/ +$/gm, ''));
}

export const formatBytes = (bytes: number): string => prettyBytes(bytes, { binary: true });

export const formatDuration = (ms: number): string => prettyMs(ms, { secondsDecimalDigits: 0 });

export const formatAge = (isoTime: string): string =>
  formatDuration(Math.max(0, Date.now() - Date.parse(isoTime)) + 1);

/**
 * Tells an error to the person and sets the exit status: code, message, causes and hint for our own; a stack for
 * anything else, which is a bug.
 */
export function reportError(thrown: unknown, options: { readonly json: boolean }): void {
  const error = toIoFailure(thrown, 'the command could not go on');
  if (!(error instanceof RbmResumeError)) {
    process.stderr.write(`rbm-resume: ${error instanceof Error ? error.stack : String(error)}\n`);
    process.exitCode = 70;
    return;
  }
  process.exitCode = ERROR_EXIT_STATUS[error.code];
  const causes = causesOf(error);
  if (options.json) {
    const { code, message, hint = null, fields } = error;
    printJson({ error: { code, message, hint, causes, fields, exitStatus: process.exitCode } });
    return;
  }
  printNote(`${error.message} [${error.code}]`);
  causes.forEach((cause) => printNote(`  because: ${cause}`));
  if (error.hint !== undefined) printNote(error.hint);
}

function causesOf(error: Error): string[] {
  const causes: string[] = [];
  for (let cause = error.cause; cause instanceof Error; cause = cause.cause) causes.push(cause.message);
  return causes;
}
