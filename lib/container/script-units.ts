import { lstat, open, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { RbmResumeError, systemErrorCode } from '../errors.js';
import { readPlainFile } from '../plain-file.js';
import { rewriteScript } from '../script/rewrite.js';
import { outlineOf, type Outline } from '../script/outline.js';
import { writeJsonAtomically } from '../store/atomic-write.js';
import type { LivePaths } from '../store/paths.js';

/** The folder of ours in a container, while a script runs in it and while it is kept in the middle of one. */
export const resumeDir = (container: string): string => join(container, 'rbm', 'resume');

/** Where a script writes down the state that it can be resumed from (`perl-shim/libexec/units.bash`). */
const unitsDir = (container: string): string => join(resumeDir(container), 'units');

/** Where a script stood when it last wrote its state down. */
export interface Position {
  readonly unit: string;
  readonly sequence: number;
  readonly since: Date;
  /** The state was being written; what it says may not be whole. */
  readonly isWhole: boolean;
}

export interface PrepareOptions {
  readonly container: string;
  readonly live: LivePaths;
  /** `build`, `post`. */
  readonly name: string;
  /** The script as rbm has rendered it. */
  readonly source: string;
  /** What rbm runs in the container: `cd FOLDER; ./NAME`. */
  readonly command: string;
}

export type PreparedScript =
  | { readonly how: 'divided'; readonly notes: readonly string[] }
  /** It runs as it is, and the build can't be kept while it does. */
  | { readonly how: 'as-it-is'; readonly reason: string };

/**
 * Lays out what `perl-shim/libexec/runner` needs to run a script that can be resumed at a statement: the rewritten
 * script, the one to put back, and the script that a kept state belongs to.
 *
 * A state belongs to the script of its first leg. Another leg's may differ from it in numbers alone, such as that of the
 * processors; if it differs in more, the first leg's own is run again.
 */
export async function prepareScript(options: PrepareOptions): Promise<PreparedScript> {
  const { container, live, name } = options;
  const place = /^cd (\/[^;\s]+); \.\/([^/;\s]+)$/.exec(options.command);
  if (place === null)
    return { how: 'as-it-is', reason: `rbm starts it in an unknown way: ${options.command}` };
  const source = await readFile(options.source);
  const rewritten = await rewriteScript(source);
  if (rewritten.script === null) return { how: 'as-it-is', reason: rewritten.reason };
  const units = unitsDir(container);
  const position = await readPosition(container);
  const notes: string[] = [];
  let { script } = rewritten;
  let outline = outlineOf(rewritten.units, source);
  if (position !== null) {
    const first = await readSmallFile(join(units, 'script'));
    const before = first === null ? null : await rewriteScript(first);
    if (first === null || before === null || before.script === null) {
      throw new RbmResumeError('BAD_RECORD', `the script that the state in ${units} belongs to is missing`, {
        hint: '`rbm-resume remove HASH` forgets what is kept; the build then starts clean.',
      });
    }
    const outlineBefore = outlineOf(before.units, first);
    if (withoutNumbers(first) !== withoutNumbers(source)) {
      notes.push(`${name} is another script than in the first leg, which is run again as it was`);
      ({ script } = before);
      outline = outlineBefore;
    }
    notes.push(`${name} goes on at ${describePosition(outline, position.unit)}`);
  } else {
    await assertNoState(units);
    await writeNew(join(units, 'script'), source);
  }
  const dir = resumeDir(container);
  await writeNew(join(dir, 'rewritten'), script);
  await writeNew(join(dir, 'original'), source);
  await writeNew(join(dir, 'script'), `${place[1]}/${place[2]}\n`);
  await writeJsonAtomically(live.units, outline);
  return { how: 'divided', notes };
}

/** Writes a file into a folder of the container, where the build may have left a link by that name. */
async function writeNew(path: string, content: Buffer | string): Promise<void> {
  await rm(path, { recursive: true, force: true });
  await writeFile(path, content, { flag: 'wx' });
}

/**
 * A script that was interrupted before its first statement has written no state. One whose state can't be read must not be
 * begun anew in what it has half built.
 */
async function assertNoState(units: string): Promise<void> {
  for (const slot of SLOTS) {
    const path = join(units, `state.${slot}`);
    const info = await lstat(path).catch(() => null);
    if (info === null || (info.isFile() && info.size === 0)) continue;
    const state = await readSmallFile(path);
    // The first one of all was being written.
    if (state !== null && /^#__rr 1 /.test(state.toString('latin1', 0, 8))) continue;
    throw new RbmResumeError('BAD_RECORD', `the state of the script in ${units} can't be read`, {
      hint: '`rbm-resume remove HASH` forgets what is kept; the build then starts clean.',
    });
  }
}

const withoutNumbers = (script: Buffer): string => script.toString('latin1').replace(/\d+/g, '0');

/** What the running script is made of, for a person; `null` when it runs as it is. */
export async function readOutline(live: LivePaths): Promise<Outline | null> {
  const text = await readFile(live.units, 'utf8').catch(() => null);
  return text === null ? null : (JSON.parse(text) as Outline);
}

/** `statement 14 of 22 (line 52): make -j8`; inside a function also where: `…: compile lib, line 7: make -C "$1"`. */
export function describePosition(outline: Outline, position: string): string {
  const [statement = '', ...calls] = position.split('>');
  const [number] = statement.split('.');
  let entry = outline.units[statement];
  // The end of a loop's turn is an empty unit, which the outline does not have.
  for (let id = statement; entry === undefined && id.includes('.');) {
    id = id.slice(0, id.lastIndexOf('.'));
    entry = outline.units[id];
  }
  if (entry === undefined && Number(number) > outline.count)
    return `the end of its ${outline.count} statements`;
  const where = entry === undefined ? '' : ` (line ${entry.line}): ${entry.text}`;
  const inside = calls.flatMap((unit) => outline.units[unit] ?? []);
  const lines = inside.map(({ line, text }) => `, line ${line}: ${text}`);
  return `statement ${number} of ${outline.count}${where}${lines.join('')}`;
}

/** Depths and turns; see `perl-shim/libexec/units.bash`. */
const SLOTS = ['0.0', '0.1', '1.0', '1.1'] as const;

/** The newest state of a script in a container, whole or not; `null` when none was written. */
export async function readPosition(container: string): Promise<Position | null> {
  const positions: Position[] = [];
  for (const slot of SLOTS) {
    const state = await readSmallFile(join(unitsDir(container), `state.${slot}`));
    if (state === null) continue;
    const text = state.toString('latin1');
    const head = /^#__rr (\d+) (\S+) \d+ (\d+) \d+\n/.exec(text);
    if (head === null) continue;
    positions.push({
      sequence: Number(head[1]),
      unit: String(head[2]),
      since: new Date(Number(head[3]) * 1000),
      isWhole: text.endsWith(`\n#__rr-end ${head[1]}\n`),
    });
  }
  return positions.sort((one, other) => other.sequence - one.sequence)[0] ?? null;
}

/** Whether a script has come to rest between two of its units. */
export async function isAtBoundary(container: string): Promise<boolean> {
  const boundary = await readSmallFile(join(unitsDir(container), 'boundary'));
  return boundary !== null && boundary.length > 0;
}

/** The version of the bash that runs a script, when it is too old for states to be written down; else `null`. */
export async function readUnsupported(container: string): Promise<string | null> {
  const version = await readSmallFile(join(unitsDir(container), 'unsupported'));
  return version === null ? null : version.toString('utf8', 0, 40).trim();
}

/** Asks a script to come to rest before its next unit. The build can write into the folder, so nothing is followed. */
export async function askToRest(container: string): Promise<void> {
  try {
    await (await open(join(unitsDir(container), 'stop'), 'wx')).close();
  } catch (error) {
    if (systemErrorCode(error) !== 'EEXIST') throw error;
  }
}

/** Takes back {@link askToRest}: the script goes on. */
export const letGoOn = (container: string): Promise<void> =>
  rm(join(unitsDir(container), 'stop'), { force: true });

/** Whatever a build writes may stand there: not more than 64 MiB are read. */
const readSmallFile = (path: string): Promise<Buffer | null> => readPlainFile(path, 64 << 20);
