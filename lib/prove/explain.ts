import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf, RbmResumeError } from '../errors.js';
import { exec } from '../exec.js';
import { findFirstDifference, type FirstDifference } from './first-difference.js';
import { compareOutputs, listOutputs, type OutputDifference } from './outputs.js';
import { unpack, type Unpacked } from './unpack.js';

/** A difference, and as much as could be found out about it. */
export interface ExplainedDifference {
  /** Of a member of an archive: `ARCHIVE!MEMBER`. */
  readonly path: string;
  /** `packing`: all members are equal, but not the archive; `metadata`: mode, owner, size or time of a member. */
  readonly what: OutputDifference['what'] | 'metadata' | 'packing';
  /** Of contents: where they begin to differ. */
  readonly first: FirstDifference | null;
  /** Of `metadata`: the member's line in both listings. */
  readonly lines: readonly [string, string] | null;
}

export interface Sides {
  /** The folder of the uninterrupted build's output. */
  readonly a: string;
  /** The folder of the other's. */
  readonly b: string;
  /** A folder in which both are unpacked. */
  readonly dir: string;
}

/** Archives in archives are followed so deep. */
const DEEPEST = 3;

/** Says what differs between two outputs; files that are archives are unpacked, and stay so for a look. */
export async function explainDifferences(
  differences: readonly OutputDifference[],
  sides: Sides,
): Promise<ExplainedDifference[]> {
  const found: ExplainedDifference[] = [];
  for (const { path, what } of differences) {
    if (what === 'content') found.push(...(await explainContent(path, sides, 0)));
    else found.push({ path, what, first: null, lines: null });
  }
  return found;
}

async function explainContent(path: string, sides: Sides, depth: number): Promise<ExplainedDifference[]> {
  const [a, b] = [join(sides.a, path), join(sides.b, path)];
  const whole = { path, what: 'content' as const, first: await findFirstDifference(a, b), lines: null };
  if (depth === DEEPEST) return [whole];
  const dirs = { a: join(sides.dir, 'uninterrupted', path), b: join(sides.dir, 'resumed', path) };
  const [inA, inB] = [await unpack(a, dirs.a), await unpack(b, dirs.b)];
  if (inA === null || inB === null) return [whole];
  const inner = compareOutputs(await listOutputs(dirs.a), await listOutputs(dirs.b));
  const explained: ExplainedDifference[] = [];
  for (const one of inner) {
    const within: Sides = { ...dirs, dir: `${sides.dir}/within/${path}` };
    if (one.what === 'content') explained.push(...(await explainContent(one.path, within, depth + 1)));
    else explained.push({ ...one, first: null, lines: null });
  }
  explained.push(...compareListings(inA, inB, new Set(inner.map((one) => one.path))));
  if (explained.length === 0) return [{ ...whole, what: 'packing' }];
  return explained.map((one) => ({ ...one, path: `${path}!${one.path}` }));
}

/** Members that differ in nothing but what stands of them in the archive. */
function compareListings(a: Unpacked, b: Unpacked, known: ReadonlySet<string>): ExplainedDifference[] {
  return [...a.members].flatMap(([path, line]) => {
    const other = b.members.get(path);
    if (other === undefined || other === line || known.has(path)) return [];
    return [{ path, what: 'metadata' as const, first: null, lines: [line, other] as const }];
  });
}

/**
 * Lets diffoscope, where it is installed, write what it finds of two folders to a file.
 * @returns the file, or `null`
 */
export async function runDiffoscope(sides: Pick<Sides, 'a' | 'b'>, file: string): Promise<string | null> {
  try {
    await exec(['diffoscope', '--text', file, sides.a, sides.b], { okStatuses: [1], allowStderr: true });
    return file;
  } catch (error) {
    if (!(error instanceof RbmResumeError)) throw error;
    if (error.code === 'COMMAND_NOT_FOUND') return null;
    await writeFile(file, `diffoscope failed: ${messageOf(error)}\n`);
    return file;
  }
}
