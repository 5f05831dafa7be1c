import { readFile, stat } from 'node:fs/promises';
import { RbmResumeError } from '../errors.js';
import { exec, ownEnvironment } from '../exec.js';
import { replaceTags } from '../script/template.js';
import { findRbm, requireWorkspace } from './find-store.js';

/** A build script that a person has named. */
export interface NamedScript {
  readonly source: Buffer;
  /** How many tags of rbm's templates were taken out of it; 0 for what rbm has rendered. */
  readonly tags: number;
}

/**
 * Reads a file as it is, or lets rbm render the script of a project, which may clone and download what the project's
 * configuration asks for.
 * @param command the rbm program and its options: `./rbm/rbm build PROJECT --target nightly`; each part may be missing
 * @throws RbmResumeError `NO_SUCH_FILE`, `NO_WORKSPACE`, `COMMAND_NOT_FOUND`, `COMMAND_FAILED`
 */
export async function readNamedScript(name: string, command: readonly string[]): Promise<NamedScript> {
  const found = await stat(name).catch(() => null);
  if (found?.isFile() === true) {
    const { text, tags } = replaceTags(await readFile(name, 'latin1'));
    return { source: Buffer.from(text, 'latin1'), tags };
  }
  if (name.includes('/')) {
    throw new RbmResumeError('NO_SUCH_FILE', `there is no file ${name}`, {
      hint: 'Name a script, or a project of the workspace.',
    });
  }
  return { source: await renderScript(name, command), tags: 0 };
}

async function renderScript(project: string, command: readonly string[]): Promise<Buffer> {
  const workspace = requireWorkspace(`Go to the workspace that has the project ${project}, or name a file.`);
  const { program, options, step } = readCommand(command, project);
  const rbm = findRbm(program, workspace);
  const argv = [rbm, 'showconf', project, step, ...options] as const;
  const { stdout } = await exec(argv, { env: ownEnvironment(), allowStderr: true });
  // rbm also prints what it had to build to know a name.
  const start = stdout.subarray(0, 2).toString() === '#!' ? 0 : stdout.indexOf('\n#!') + 1;
  // showconf ends what it prints with one more line end.
  const end = stdout.subarray(-2).toString() === '\n\n' ? -1 : undefined;
  return stdout.subarray(start, end);
}

interface RbmCommand {
  readonly program: string | null;
  readonly options: readonly string[];
  /** The option that has the script: `build`, or what `--step` says. */
  readonly step: string;
}

function readCommand(command: readonly string[], project: string): RbmCommand {
  const [first] = command;
  const isNamed = first !== undefined && !first.startsWith('-') && first !== 'build';
  const rest = isNamed ? command.slice(1) : command;
  const afterVerb = rest[0] === 'build' ? rest.slice(1) : rest;
  const at = afterVerb.indexOf(project);
  const isValue = at > 0 && /^--(?:target|step)$/.test(afterVerb[at - 1] ?? '');
  const options = afterVerb.filter((_, index) => isValue || index !== at);
  const stepAt = options.findIndex((word) => /^--step(?:=|$)/.test(word));
  const step = stepAt < 0 ? 'build' : (options[stepAt]?.split('=')[1] ?? options[stepAt + 1] ?? 'build');
  return { program: isNamed ? first : null, options, step };
}
