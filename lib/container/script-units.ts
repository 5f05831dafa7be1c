import { open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { systemErrorCode } from '../errors.js';
import { readPlainFile } from '../plain-file.js';
import type { Outline } from '../script/outline.js';
import type { LivePaths } from '../store/paths.js';

/** The folder of ours in a container, while a script runs in it and while it is kept in the middle of one. */
export const resumeDir = (container: string): string => join(container, 'rbm', 'resume');

/** Where a script writes down the state that it can be resumed from (`perl-shim/libexec/units.bash`). */
export const unitsDir = (container: string): string => join(resumeDir(container), 'units');

/** Where a script stood when it last wrote its state down. */
export interface Position {
  readonly unit: string;
  readonly sequence: number;
  readonly since: Date;
  /** The state was being written; what it says may not be whole. */
  readonly isWhole: boolean;
}

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

/** Depths and turns of the states in {@link unitsDir}; see `perl-shim/libexec/units.bash`. */
export const SLOTS = ['0.0', '0.1', '1.0', '1.1'] as const;

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
export const readSmallFile = (path: string): Promise<Buffer | null> => readPlainFile(path, 64 << 20);
