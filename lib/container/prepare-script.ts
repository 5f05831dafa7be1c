import { lstat, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { RbmResumeError } from '../errors.js';
import { outlineOf } from '../script/outline.js';
import { rewriteScript } from '../script/rewrite.js';
import { writeJsonAtomically } from '../store/atomic-write.js';
import type { LivePaths } from '../store/paths.js';
import { describePosition, readPosition, readSmallFile, resumeDir, SLOTS, unitsDir } from './script-units.js';

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
