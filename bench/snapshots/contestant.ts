/** What one run took. */
export interface Measured {
  /** Of the whole command. */
  readonly seconds: number;
  /** Bytes that the largest of its processes had in memory at once. */
  readonly peakMemory?: number;
  /** Bytes that it has added to the disk. */
  readonly bytes?: number;
}

/** One that keeps the tree, run after run. Only the command itself is timed. */
export interface Packer {
  readonly name: string;
  /** Before the first run. */
  readonly setUp?: () => Promise<void>;
  readonly pack: (round: number) => Promise<Measured>;
  /** After the last run: what can't be removed with the scratch folder. */
  readonly tearDown?: () => Promise<void>;
}

/** One that brings the tree back into a directory that does not exist yet. */
export interface Restorer {
  readonly name: string;
  readonly setUp?: () => Promise<void>;
  readonly restore: (dir: string) => Promise<Measured>;
}

export const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return sorted.length % 2 === 1
    ? (sorted[Math.floor(middle)] ?? NaN)
    : ((sorted[middle - 1] ?? NaN) + (sorted[middle] ?? NaN)) / 2;
};
