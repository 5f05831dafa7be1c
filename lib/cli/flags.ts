import type { Command } from 'commander';

/** For an option that can be given several times. */
export const collect = (value: string, before: readonly string[]): readonly string[] => [...before, value];

/** Adds `--grace` and `--finish-statement`: how scripts are interrupted. */
export const withInterruptFlags = (command: Command): Command =>
  command
    .option('--grace <span>', 'how long scripts may take to end before they are killed', '60s')
    .option(
      '--finish-statement <span>',
      'how long a statement other than make, or a configure below make, may take to end first',
      '20s',
    );
