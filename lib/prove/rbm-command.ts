import { RbmResumeError } from '../errors.js';
import { exec, ownEnvironment } from '../exec.js';
import { readConfigDocuments } from '../setup/config-documents.js';
import { findShim, localConfFile } from '../setup/shim.js';

/** `rbm build PROJECT ...`, taken apart. */
export interface RbmCommand {
  readonly argv: readonly [string, ...string[]];
  readonly project: string;
  /** The step, which is the name of the build script. */
  readonly step: string;
  /** How rbm is started: all in front of `build`. */
  readonly program: readonly [string, ...string[]];
  /** The project and the options, as they stand after `build`. */
  readonly rest: readonly string[];
}

/** @throws RbmResumeError `USAGE` when it is no `rbm build` of that project */
export function parseRbmCommand(argv: readonly string[], project: string): RbmCommand {
  const at = argv.indexOf('build', 1);
  const rest = argv.slice(at + 1);
  if (at === -1 || !rest.includes(project)) {
    throw new RbmResumeError('USAGE', `this is no \`rbm build ${project}\`: ${argv.join(' ')}`, {
      hint: `Such as: rbm-resume prove ${project} -- ./rbm/rbm build ${project} --target release`,
    });
  }
  const steps = rest.flatMap((word, index) => {
    if (word === '--step') return [rest[index + 1] ?? ''];
    return word.startsWith('--step=') ? [word.slice('--step='.length)] : [];
  });
  return {
    argv: argv as RbmCommand['argv'],
    project,
    step: steps.at(-1) ?? 'build',
    program: argv.slice(0, at) as unknown as RbmCommand['program'],
    rest,
  };
}

/**
 * Looks whether there is anything to prove, and whether the output can be kept away from the workspace's own.
 * @throws RbmResumeError `BAD_CONFIG`, and `COMMAND_FAILED` or `COMMAND_NOT_FOUND` where rbm can't be asked
 */
export async function checkProvable(command: RbmCommand, workspace: string): Promise<void> {
  const { project } = command;
  const file = await localConfFile(workspace);
  if (findShim((await readConfigDocuments(file)) ?? [], workspace) === null) {
    throw new RbmResumeError('BAD_CONFIG', `${file} doesn't load the shim, so nothing can be resumed`, {
      hint: 'rbm-resume init',
    });
  }
  const mode = await showConf(command, 'var/resume');
  // Where nothing is said, scripts are resumed at the statement.
  if (mode === 'off' || mode === '') {
    throw new RbmResumeError('BAD_CONFIG', `var/resume of ${project} is off, so it is never resumed`, {
      hint: `Set it in the project's config, with the same targets as here.`,
    });
  }
  const own = (await showConf(command, null)) ?? '';
  if (/^\s*['"]?remote_get['"]?\s*:/m.test(own)) {
    throw new RbmResumeError('BAD_CONFIG', `${project} has a remote_get of its own`, {
      hint: "Its output would take the place of the one in the workspace, so it can't be compared.",
    });
  }
}

/** What `rbm showconf` prints of an option, or of all that the project's own config has; `null` when it is undefined. */
async function showConf(command: RbmCommand, option: string | null): Promise<string | null> {
  const argv = [...command.program, 'showconf', '--step', command.step, ...command.rest] as const;
  const { status, stdout, stderr } = await exec(
    [...argv, ...(option === null ? [] : [option])] as unknown as [string, ...string[]],
    // rbm's options may be made of any variable that the user has set.
    { env: ownEnvironment(), okStatuses: [1], allowStderr: true },
  );
  if (status === 0) return stdout.toString().trim();
  if (/^Error: Undefined$/m.test(stderr)) return null;
  throw new RbmResumeError('COMMAND_FAILED', `${argv.join(' ')}: exit status ${status}\n${stderr.trim()}`);
}
