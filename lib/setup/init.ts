import { basename } from 'node:path';
import { RbmResumeError } from '../errors.js';
import { parseConfigDocuments, type ConfigDocument } from './config-documents.js';
import { followLinks, readRegularFile, replaceFile } from './replace-file.js';
import {
  findShim,
  hasShim,
  localConfFile,
  SHIM_LIB,
  shimDocument,
  shimStatements,
  type ShimUse,
} from './shim.js';

export interface InitOptions {
  readonly workspace: string;
  /** The directory that holds `RBM/Resume.pm`. @default this package's own */
  readonly lib?: string;
}

/**
 * What is to be done so that the local configuration of a workspace loads the shim.
 *
 * - `append`: a document can be added, see {@link applyInit}
 * - `already-loaded`: nothing
 * - `change-by-hand`: a person has to, as `steps` say
 */
export type InitPlan = AppendPlan | AlreadyLoaded | ChangeByHand;

interface PlanBase {
  /** The local configuration file as rbm names it. */
  readonly file: string;
  /** What a person should know, one line each. */
  readonly notes: readonly string[];
}

export interface AppendPlan extends PlanBase {
  readonly how: 'append';
  /** The file itself, where `file` is a symbolic link. */
  readonly target: string;
  /** The content as it was looked at; `null` when there is no file yet. */
  readonly before: Buffer | null;
  /** The lines that are added, as one text. */
  readonly document: string;
}

export interface AlreadyLoaded extends PlanBase {
  readonly how: 'already-loaded';
  readonly line: number;
  /** From where it is loaded; `null` when the path is no literal one. */
  readonly lib: string | null;
}

export interface ChangeByHand extends PlanBase {
  readonly how: 'change-by-hand';
  readonly line: number;
  readonly reason: string;
  /** Lines of text: what to do, and the code for it, indented. */
  readonly steps: readonly string[];
}

/** What has to stand in `projects/NAME/config` of a project that is always to begin clean. */
export const PROJECT_SETTING = 'var: { resume: off }';

/**
 * Looks at the local configuration file of a workspace. Changes nothing.
 * @throws RbmResumeError `BAD_CONFIG` when it is no regular file, or no YAML
 */
export async function planInit(options: InitOptions): Promise<InitPlan> {
  const lib = options.lib ?? SHIM_LIB;
  const file = await localConfFile(options.workspace);
  const target = await followLinks(file);
  const before = await readRegularFile(target);
  const documents = parseConfigDocuments(before?.toString() ?? '', file);
  const shim = findShim(documents, options.workspace);
  if (shim !== null) return planForLoaded(shim, { file, lib });
  const perl = documents.findLast((document) => document.perl !== null);
  if (perl !== undefined) return planForPerl(perl, { file, lib });
  return { how: 'append', file, target, before, document: shimDocument(lib), notes: notesOnLib(lib) };
}

/**
 * Adds the document at the end of the file, so that it is the last one; all that was there stays byte for byte. Atomic,
 * with the old mode and owner. A symbolic link stays one.
 * @throws RbmResumeError `BAD_CONFIG` when the file can't be written, or was changed since it was looked at
 */
export async function applyInit(plan: AppendPlan): Promise<void> {
  const { file, target, before } = plan;
  const fields = { file };
  const now = await readRegularFile(target);
  if (now === null ? before !== null : before === null || !now.equals(before)) {
    throw new RbmResumeError('BAD_CONFIG', `${file} was changed meanwhile`, { hint: 'Try again.', fields });
  }
  const after = contentWith(plan);
  try {
    await replaceFile(target, after);
  } catch (cause) {
    throw new RbmResumeError('BAD_CONFIG', `cannot write ${file}`, { cause, fields });
  }
}

/** However odd the file is: all documents of before must still be there, and the new one be the last. */
function contentWith({ file, before, document }: AppendPlan): Buffer {
  const old = before ?? Buffer.alloc(0);
  const isMidLine = old.length > 0 && old.at(-1) !== 0x0a;
  const after = Buffer.concat([old, Buffer.from(`${isMidLine ? '\n' : ''}${document}`)]);
  const perls = (content: Buffer) => parseConfigDocuments(content.toString(), file).map(({ perl }) => perl);
  const [expected, found] = [[...perls(old), ...perls(Buffer.from(document))], perls(after)];
  if (JSON.stringify(expected) === JSON.stringify(found)) return after;
  throw new RbmResumeError('BAD_CONFIG', `nothing can be added at the end of ${file}`, {
    hint: `Put these lines into it by hand:\n${document}`,
    fields: { file },
  });
}

function planForLoaded(shim: ShimUse, where: { readonly file: string; readonly lib: string }): InitPlan {
  const { file, lib } = where;
  const base = { file, line: shim.line };
  const by = (reason: string, steps: readonly string[]): ChangeByHand => ({
    ...base,
    how: 'change-by-hand',
    reason,
    steps,
    notes: [],
  });
  const [useLib, , options] = shimStatements(lib);
  if (shim.libs.length > 0 && shim.foundIn === null) {
    const old = shim.libs.join(', ');
    return by(`line ${shim.line} loads the shim from ${old}, where it is not (any more)`, [
      `Change the \`use lib\` there to`,
      `  ${useLib}`,
    ]);
  }
  if (!shim.callsOptions) {
    return by(`the Perl document of line ${shim.line} loads the shim, but doesn't return its options`, [
      'Let its last expression be, or hold,',
      `  ${options.replace(';', '')}`,
    ]);
  }
  if (shim.hiddenBy !== null) {
    return by(
      `the shim is loaded on line ${shim.line}, but a later document (line ${shim.hiddenBy}) has a \`container\` ` +
        'of its own, and rbm takes the last one',
      ['Move the document of the shim to the end of the file.'],
    );
  }
  const notes =
    shim.foundIn === null || shim.foundIn === lib
      ? []
      : [`this command's own shim is another one, in ${lib}`];
  return {
    ...base,
    how: 'already-loaded',
    lib: shim.foundIn,
    notes: [...notes, ...notesOnLib(shim.foundIn ?? lib)],
  };
}

function planForPerl(
  perl: ConfigDocument,
  { file, lib }: { readonly file: string; readonly lib: string },
): ChangeByHand {
  const [useLib, use] = shimStatements(lib);
  return {
    how: 'change-by-hand',
    file,
    line: perl.line,
    reason: `${basename(file)} has a Perl document already (line ${perl.line}), and what it returns only you can merge`,
    steps: [
      'Add at the top of that document',
      `  ${useLib}`,
      `  ${use}`,
      '  my %resume = RBM::Resume::options();',
      'and let the list that it returns end with',
      '  %resume',
      'Only one `container` key survives. If the document returns one of its own, merge the two instead:',
      '  container => { YOUR PAIRS, %{$resume{container}} }',
      'A remote_start, remote_put, remote_exec, remote_get or remote_finish in YOUR PAIRS would be lost: put it into a',
      'YAML document, under `container:`; the shim hands on to it. Such a document has to stand before the Perl one.',
    ],
    notes: notesOnLib(lib),
  };
}

function notesOnLib(lib: string): string[] {
  const notes: string[] = [];
  if (!hasShim(lib)) notes.push(`there is no RBM/Resume.pm in ${lib}: the package is not complete`);
  if (lib.includes('/_npx/')) {
    notes.push(`${lib} is in npx' cache, which npm may empty: install the package, then run init of that`);
  }
  return notes;
}
