import { access, constants, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../../errors.js';
import { exec, SYSTEM_PATH } from '../../exec.js';
import { debianInstall, ok, problem, warning, type Finding } from './finding.js';

interface ProgramNeed {
  readonly debianPackage: string;
  /** What `--version` of the only fitting kind says. */
  readonly kind?: string;
}

const PROGRAMS: Readonly<Record<string, ProgramNeed>> = {
  tar: { debianPackage: 'tar', kind: 'GNU tar' },
  find: { debianPackage: 'findutils', kind: 'GNU findutils' },
  zstd: { debianPackage: 'zstd' },
  flock: { debianPackage: 'util-linux' },
  nsenter: { debianPackage: 'util-linux' },
  unshare: { debianPackage: 'util-linux' },
  mount: { debianPackage: 'mount' },
  chroot: { debianPackage: 'coreutils' },
  bash: { debianPackage: 'bash' },
  cmp: { debianPackage: 'diffutils' },
  perl: { debianPackage: 'perl' },
};

/** What package.json's `engines` says. */
const LEAST_NODE = '20.19';
/** The first one with `copy --preserve-digests`. Source: its cmd/skopeo/copy.go, v1.5.2 and v1.6.0. */
const LEAST_SKOPEO = '1.6';

export interface ProgramFacts {
  /** Where each program lies; `null` when it is in no directory of the search path. */
  readonly paths: Readonly<Record<string, string | null>>;
  /** What those of a certain kind say to `--version`, in one line. */
  readonly versions: Readonly<Record<string, string>>;
  /** The version of this process. */
  readonly node: string;
  /** The node that the hooks get from the caller's `PATH`, and its version; `null` when there is none. */
  readonly nodeInPath: ProgramVersion | null;
  /** The skopeo in the caller's `PATH`; `null` when there is none. */
  readonly skopeo: ProgramVersion | null;
}

interface ProgramVersion {
  readonly path: string;
  readonly version: string;
}

export interface ProgramSearch {
  /** Where system programs are looked up. @default {@link SYSTEM_PATH}, as everywhere in this package */
  readonly systemPath?: string;
  /** The caller's own `PATH`, in which the hooks find node. */
  readonly userPath: string;
}

export async function readProgramFacts(search: ProgramSearch): Promise<ProgramFacts> {
  const { systemPath = SYSTEM_PATH, userPath } = search;
  const found = await Promise.all(
    Object.entries(PROGRAMS).map(async ([name, need]) => {
      const path = await findInPath(name, systemPath);
      const version = path === null || need.kind === undefined ? '' : await versionOf(path);
      return { name, path, version };
    }),
  );
  const [node, skopeo] = await Promise.all([findInPath('node', userPath), findInPath('skopeo', userPath)]);
  return {
    paths: Object.fromEntries(found.map(({ name, path }) => [name, path])),
    versions: Object.fromEntries(found.map(({ name, version }) => [name, version])),
    node: process.versions.node,
    nodeInPath: node === null ? null : { path: node, version: (await versionOf(node)).replace(/^v/, '') },
    skopeo: skopeo === null ? null : { path: skopeo, version: numberIn(await versionOf(skopeo)) },
  };
}

/** The programs of the host that rbm's containers and this package run. */
export function judgePrograms(facts: ProgramFacts): Finding[] {
  const programs = Object.entries(PROGRAMS).map(([name, { debianPackage, kind }]) => {
    const check = `program/${name}`;
    const path = facts.paths[name] ?? null;
    const cure = debianInstall([debianPackage]);
    if (path === null) return problem(check, `the program ${name} was not found`, cure);
    const version = facts.versions[name] ?? '';
    if (kind !== undefined && !version.includes(kind)) {
      return problem(check, `${path} is not ${kind}: it says ${JSON.stringify(version)}`, cure);
    }
    return ok(check, kind === undefined ? path : `${path}: ${version}`);
  });
  return [...programs, judgeNode(facts), judgeSkopeo(facts)];
}

function judgeNode({ node, nodeInPath }: ProgramFacts): Finding {
  const check = 'node';
  const cure = `Put Node.js ${LEAST_NODE} or newer in front in the PATH with which rbm is started.`;
  if (isOlder(node, LEAST_NODE))
    return problem(check, `this is Node.js ${node}; ${LEAST_NODE} or newer is needed`, cure);
  if (nodeInPath === null) {
    return problem(
      check,
      'there is no node in PATH, so the programs that rbm starts at a container fail',
      cure,
    );
  }
  if (isOlder(nodeInPath.version, LEAST_NODE)) {
    return problem(
      check,
      `${nodeInPath.path}, which is the first in PATH, is Node.js ${nodeInPath.version || 'of an unknown version'}; ` +
        `${LEAST_NODE} or newer is needed`,
      cure,
    );
  }
  return ok(check, `${nodeInPath.path}: Node.js ${nodeInPath.version}`);
}

/** Builds are kept and resumed without it, so that it is missing is no problem. */
function judgeSkopeo({ skopeo }: ProgramFacts): Finding {
  const check = 'program/skopeo';
  if (skopeo === null) return ok(check, 'missing: only push, pull and --remote need it');
  const { path, version } = skopeo;
  if (!isOlder(version, LEAST_SKOPEO)) return ok(check, `${path}: ${version}`);
  const found = `${path} is skopeo ${version || 'of an unknown version'}`;
  const cure = `Install skopeo ${LEAST_SKOPEO} or newer where snapshots travel by a registry.`;
  return warning(check, `${found}; push, pull and --remote need ${LEAST_SKOPEO} or newer`, cure);
}

const numberIn = (text: string): string => /\d+\.\d+[\d.]*/.exec(text)?.[0] ?? '';

function isOlder(version: string, least: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [leastMajor = 0, leastMinor = 0] = least.split('.').map(Number);
  return !(major > leastMajor || (major === leastMajor && minor >= leastMinor));
}

/** The first executable file of a name in the directories of a search path. */
export async function findInPath(name: string, searchPath: string): Promise<string | null> {
  for (const dir of searchPath.split(':')) {
    const file = join(dir === '' ? '.' : dir, name);
    if (await isExecutable(file)) return file;
  }
  return null;
}

export async function isExecutable(file: string): Promise<boolean> {
  try {
    await access(file, constants.X_OK);
    return (await stat(file)).isFile();
  } catch {
    return false;
  }
}

async function versionOf(path: string): Promise<string> {
  try {
    const { stdout, stderr } = await exec([path, '--version'], { allowStderr: true });
    return (stdout.toString() || stderr).split('\n')[0]?.trim() ?? '';
  } catch (error) {
    return messageOf(error).split('\n')[0] ?? '';
  }
}
