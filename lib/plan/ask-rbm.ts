import { delimiter, resolve } from 'node:path';
import * as v from 'valibot';
import { messageOf, RbmResumeError } from '../errors.js';
import { exec, ownEnvironment } from '../exec.js';
import { SHIM_LIB } from '../setup/shim.js';

const walkedBuild = v.object({
  /** Unique: the path of its output. */
  key: v.string(),
  project: v.string(),
  step: v.string(),
  targets: v.array(v.string()),
  filename: v.nullable(v.string()),
  /** The folder of its output, an absolute path; `null` when rbm can't tell. */
  dir: v.nullable(v.string()),
  is_built: v.boolean(),
  is_standalone: v.boolean(),
  /** Keys of the builds that are its inputs. */
  needs: v.array(v.string()),
  unknown: v.array(v.string()),
  /** The file name under which the store keeps it; asked for certain projects only. */
  kept_name: v.optional(v.nullable(v.string()), null),
});
const walk = v.object({ builds: v.array(walkedBuild) });
const answer = v.object({ format: v.literal(1), walk, twin: v.nullable(walk) });

export type WalkedBuild = v.InferOutput<typeof walkedBuild>;
export type Walk = v.InferOutput<typeof walk>;

/** The same plan twice, with other stand-ins for what can't be had; `twin` is `null` where there were none. */
export interface Walks {
  readonly walk: Walk;
  readonly twin: Walk | null;
}

export interface AskOptions {
  /** The workspace's folder, an absolute path. */
  readonly workspace: string;
  readonly rbm: string;
  readonly project: string;
  readonly step: string;
  readonly targets: readonly string[];
  /** Projects of which {@link WalkedBuild.kept_name} is wanted. */
  readonly keptProjects: readonly string[];
}

/**
 * Starts rbm once with `RBM::Resume::Plan` loaded in front. Nothing is built, downloaded, cloned or written.
 * @throws RbmResumeError `COMMAND_NOT_FOUND`; `COMMAND_FAILED` with what rbm says, such as of a project that it does not know
 */
export async function askRbm(options: AskOptions): Promise<Walks> {
  const rbm = options.rbm.includes('/') ? resolve(options.rbm) : options.rbm;
  const targets = options.targets.flatMap((target) => ['--target', target]);
  const argv = [
    rbm,
    'showconf',
    '--step',
    options.step,
    ...targets,
    options.project,
    'rbm_resume_plan',
  ] as const;
  const { stdout } = await exec(argv, {
    cwd: options.workspace,
    env: environmentFor(options.keptProjects),
    allowStderr: true,
  }).catch((error: unknown) => {
    throw error instanceof RbmResumeError && error.code === 'COMMAND_NOT_FOUND'
      ? new RbmResumeError('COMMAND_NOT_FOUND', error.message, { hint: WHERE_RBM_IS, cause: error.cause })
      : error;
  });
  try {
    return v.parse(answer, JSON.parse(stdout.toString()));
  } catch (cause) {
    throw new RbmResumeError('COMMAND_FAILED', `${argv.join(' ')} gave no plan: ${messageOf(cause)}`, {
      hint: 'rbm must be the Perl program itself, or start it with the environment that it was given.',
      cause,
    });
  }
}

const WHERE_RBM_IS =
  'Say where rbm is: --rbm. Where it is a submodule of the workspace: `git submodule update --init`.';

/** rbm's options may be made of any variable that the user has set; the module puts back those that are changed here. */
function environmentFor(kept: readonly string[]): Record<string, string> {
  const env = ownEnvironment();
  const { PERL5LIB, PERL5OPT, PERL_HASH_SEED } = env;
  return {
    ...env,
    PERL5LIB: [SHIM_LIB, ...(PERL5LIB === undefined ? [] : [PERL5LIB])].join(delimiter),
    PERL5OPT: [...(PERL5OPT === undefined ? [] : [PERL5OPT]), '-MRBM::Resume::Plan'].join(' '),
    // rbm goes through some hashes in Perl's order; the same workspace is to give the same plan.
    PERL_HASH_SEED: '0',
    RBM_RESUME_PLAN: JSON.stringify({ kept, env: { PERL5LIB, PERL5OPT, PERL_HASH_SEED } }),
  };
}
