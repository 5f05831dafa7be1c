import { mkdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { RbmResumeError, systemErrorCode } from '../errors.js';
import { parseRemote } from '../registry/remote.js';
import { shownText } from '../rootfs/entry.js';
import { writeFileDurably } from '../store/atomic-write.js';
import { cirrusFiles } from './cirrus.js';
import { githubFiles } from './github.js';
import { gitlabFiles } from './gitlab.js';
import { divideIntoJobs, type JobBuild } from './jobs.js';
import { DEFAULT_PREPARE } from './prepare.js';
import type { CiFile, CiService, CiSettings } from './settings.js';
import { woodpeckerFiles } from './woodpecker.js';

export type { CiFile, CiService } from './settings.js';

/** How long each service lets a job run on its own machines, less what starting one takes, in minutes. */
export const LIMIT_MINUTES: Readonly<Record<CiService, number>> = {
  github: 350,
  gitlab: 170,
  woodpecker: 55,
  cirrus: 115,
};

const WRITERS: Readonly<Record<CiService, (settings: CiSettings) => CiFile[]>> = {
  github: githubFiles,
  gitlab: gitlabFiles,
  woodpecker: woodpeckerFiles,
  cirrus: cirrusFiles,
};

export const CI_SERVICES = Object.keys(WRITERS) as readonly CiService[];

/** What is to be built, as a plan has it: the last build is the project itself. */
export interface CiPlan {
  readonly project: string;
  readonly step: string;
  readonly targets: readonly string[];
  readonly builds: readonly JobBuild[];
}

export interface CiOptions {
  /** Tells this configuration from others of the same project, such as for other targets (GitHub, Woodpecker). @default the project */
  readonly name?: string | null;
  /** Projects, or ids of the plan, that get a job of their own. @default the project itself */
  readonly heavy?: readonly string[];
  /** @default `./rbm/rbm` */
  readonly rbm?: string;
  /** How rbm-resume is called in a job. @default `rbm-resume` */
  readonly command?: string;
  /** Shell lines before each leg. @default installs what is needed with apt-get and npm */
  readonly prepare?: readonly string[];
  /** How long a job may run, in seconds. @default {@link LIMIT_MINUTES} */
  readonly limitSeconds?: number;
  /** @default `main` */
  readonly branch?: string;
  /** A policy file in the workspace (GitHub, GitLab). @default none: nothing is signed */
  readonly policy?: string | null;
  /** A registry that snapshots travel by, `oci://HOST/NAME` (GitHub, GitLab). @default none: by the caches of the service */
  readonly remote?: string | null;
  /** A command of the workspace that edits the version of `$PROJECT`, run once a day (GitHub, GitLab). @default none */
  readonly bump?: string | null;
  /** How many legs in a row may come to nothing. @default 3 */
  readonly maxStalled?: number;
  /** Folders that rbm clones and downloads to. @default `git_clones` */
  readonly clones?: readonly string[];
}

/**
 * The configuration of a CI service that builds a plan in legs. The same plan and options give the same bytes.
 * @throws RbmResumeError `USAGE` for a heavy project that the plan does not have, a number, a branch or a registry that makes no
 *   sense, or what the service's configuration has no place for
 */
export function ciFiles(service: CiService, plan: CiPlan, options: CiOptions = {}): CiFile[] {
  const { limitSeconds = LIMIT_MINUTES[service] * 60, maxStalled = 3 } = options;
  for (const number of [limitSeconds, maxStalled])
    if (!Number.isSafeInteger(number) || number < 1)
      throw new RbmResumeError('USAGE', `not a number of seconds or legs: ${number}`, {
        hint: 'Such as 120.',
      });
  refuseForeignOptions(service, options);
  refuseUnfit(options);
  return WRITERS[service]({
    name: options.name ?? plan.project,
    project: plan.project,
    step: plan.step,
    targets: plan.targets,
    jobs: divideIntoJobs(plan.builds, options.heavy ?? [plan.project]),
    rbm: options.rbm ?? './rbm/rbm',
    command: options.command ?? 'rbm-resume',
    prepare: options.prepare ?? DEFAULT_PREPARE,
    limitSeconds,
    branch: options.branch ?? 'main',
    policy: options.policy ?? null,
    remote: options.remote ?? null,
    bump: options.bump ?? null,
    maxStalled,
    clones: options.clones ?? ['git_clones'],
  });
}

/** What stands in a configuration is not looked at again until it is too late, and everybody can read it. */
function refuseUnfit({ branch = 'main', remote = null }: CiOptions): void {
  if (remote !== null) parseRemote(remote);
  if (!/^[\w@.][\w@./-]*$/.test(branch))
    throw new RbmResumeError('USAGE', `not the name of a branch: ${shownText(branch)}`, {
      hint: 'Letters, digits and . / - _ @, such as release/1.0: what means something to a shell or a service has no place there.',
    });
}

/** The services whose configuration has a place for what not all of them can do, and what to do elsewhere. */
const ONLY_FOR = {
  bump: { services: ['github', 'gitlab'], hint: 'Schedule the command with the means of that service.' },
  name: {
    services: ['github', 'woodpecker'],
    hint: 'One file has all jobs of a workspace there.',
  },
  policy: {
    services: ['github', 'gitlab'],
    hint: 'Set RBM_RESUME_POLICY and RBM_RESUME_CLASS in the environment of its jobs.',
  },
  remote: {
    services: ['github', 'gitlab'],
    hint: 'Set RBM_RESUME_REMOTE in the environment of its jobs, and let skopeo log in there.',
  },
} as const satisfies Partial<Record<keyof CiOptions, { services: readonly CiService[]; hint: string }>>;

function refuseForeignOptions(service: CiService, options: CiOptions): void {
  for (const name of Object.keys(ONLY_FOR) as (keyof typeof ONLY_FOR)[]) {
    const { services, hint } = ONLY_FOR[name];
    if ((options[name] ?? null) === null || (services as readonly CiService[]).includes(service)) continue;
    throw new RbmResumeError('USAGE', `--${name} is for ${services.join(' and ')}, not for ${service}`, {
      hint,
    });
  }
}

/** Those of the files that the workspace does not have, or has otherwise, in their order. */
export async function findStaleFiles(workspace: string, files: readonly CiFile[]): Promise<CiFile[]> {
  const stale: CiFile[] = [];
  for (const file of files) if ((await readText(join(workspace, file.path))) !== file.text) stale.push(file);
  return stale;
}

/** Writes the files into the workspace. */
export async function writeCiFiles(workspace: string, files: readonly CiFile[]): Promise<void> {
  for (const { path, text } of files) {
    await mkdir(dirname(join(workspace, path)), { recursive: true });
    await writeFileDurably(join(workspace, path), text);
  }
}

async function readText(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(systemErrorCode(error) ?? '')) return null;
    throw error;
  }
}
