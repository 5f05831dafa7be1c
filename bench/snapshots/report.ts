import { writeFile } from 'node:fs/promises';
import Table from 'cli-table3';
import prettyBytes from 'pretty-bytes';

/** What is wanted of a ratio: theirs/ours at least so much, or ours/theirs at most. */
export interface Goal {
  readonly kind: 'at least' | 'at most';
  readonly ratio: number;
}

/** One comparison: seconds or bytes. */
export interface Comparison {
  readonly what: string;
  readonly peer: string;
  readonly unit: 'seconds' | 'bytes';
  /** `null` where ours was not measured. */
  readonly ours: number | null;
  readonly theirs: number;
  /** `null` for what is only told. */
  readonly goal: Goal | null;
  /** The bytes that the peer has written in one run, where that is known. */
  readonly theirBytes?: number;
}

/** theirs/ours, or ours/theirs where the goal is an upper bound; `null` where ours was not measured. */
export function ratioOf({ ours, theirs, goal }: Comparison): number | null {
  if (ours === null) return null;
  return goal?.kind === 'at most' ? ours / theirs : theirs / ours;
}

/** Whether a goal was met; `null` where there is none, or nothing to compare. */
export function isMet(row: Comparison): boolean | null {
  const ratio = ratioOf(row);
  if (row.goal === null || ratio === null) return null;
  return row.goal.kind === 'at most' ? ratio <= row.goal.ratio : ratio >= row.goal.ratio;
}

const describeGoal = (goal: Goal | null): string | null =>
  goal === null ? null : `${goal.kind === 'at most' ? '<=' : '>='} ${goal.ratio}`;

export function formatTable(rows: readonly Comparison[]): string {
  const table = new Table({
    head: ['what', 'peer', 'ours', 'theirs', 'their bytes', 'ratio', 'goal', 'met'],
    style: { head: [], border: [] },
  });
  const amount = (value: number | null, { unit }: Comparison) =>
    value === null ? '–' : unit === 'bytes' ? prettyBytes(value) : `${value.toFixed(3)} s`;
  for (const row of rows) {
    table.push([
      row.what,
      row.peer,
      amount(row.ours, row),
      amount(row.theirs, row),
      row.theirBytes === undefined ? '' : prettyBytes(row.theirBytes),
      ratioOf(row)?.toFixed(2) ?? '–',
      describeGoal(row.goal) ?? '',
      { true: 'yes', false: 'NO', null: '' }[String(isMet(row)) as 'true' | 'false' | 'null'],
    ]);
  }
  return table.toString();
}

/** Writes `{"rows": [{what, peer, ratio, goal, met, ours, theirs}]}`. */
export async function writeJson(file: string, rows: readonly Comparison[]): Promise<void> {
  const plain = rows.map((row) => ({
    what: row.what,
    peer: row.peer,
    ratio: ratioOf(row),
    goal: describeGoal(row.goal),
    met: isMet(row),
    ours: row.ours,
    theirs: row.theirs,
    unit: row.unit,
    ...(row.theirBytes === undefined ? {} : { theirBytes: row.theirBytes }),
  }));
  await writeFile(file, `${JSON.stringify({ rows: plain }, null, 2)}\n`);
}
