import { readFile, stat } from 'node:fs/promises';
import { messageOf, RbmResumeError } from '../../errors.js';
import { exec, SYSTEM_PATH } from '../../exec.js';
import { execInIdMap } from '../../id-map.js';
import { debianInstall, ok, problem, warning, type Finding } from './finding.js';
import { findInPath } from './programs.js';

const SYSCTLS = [
  'kernel.unprivileged_userns_clone',
  'kernel.apparmor_restrict_unprivileged_userns',
  'user.max_user_namespaces',
] as const;
type SysctlName = (typeof SYSCTLS)[number];

/** One of the two programs that write an id map. */
export interface MapProgram {
  readonly path: string | null;
  readonly isSetuid: boolean;
  /** Whether the file has a capability; `null` when that can't be told. */
  readonly hasCapability: boolean | null;
}

/** How a real try ended: `null` is well, otherwise why not. */
export interface Trial {
  readonly message: string;
  readonly cure: string | null;
}

export interface HostFacts {
  readonly isRoot: boolean;
  /** `null` where the kernel has no such switch. */
  readonly sysctls: Readonly<Record<SysctlName, string | null>>;
  readonly mapPrograms: { readonly newuidmap: MapProgram; readonly newgidmap: MapProgram };
  /** To run a program as root of the container's id map. */
  readonly mapTrial: Trial | null;
  /** To make a mount namespace in there: the right that AppArmor takes away. */
  readonly capabilityTrial: Trial | null;
}

export async function readHostFacts(): Promise<HostFacts> {
  const values = await Promise.all(
    SYSCTLS.map(async (name) => {
      const text = await readFile(`/proc/sys/${name.replaceAll('.', '/')}`, 'utf8').catch(() => null);
      return [name, text?.trim() ?? null];
    }),
  );
  const [newuidmap, newgidmap, mapTrial, capabilityTrial] = await Promise.all([
    readMapProgram('newuidmap'),
    readMapProgram('newgidmap'),
    tryIt(['true']),
    tryIt(['unshare', '--mount', '--', 'true']),
  ]);
  return {
    isRoot: process.getuid?.() === 0,
    sysctls: Object.fromEntries(values) as HostFacts['sysctls'],
    mapPrograms: { newuidmap, newgidmap },
    mapTrial,
    capabilityTrial,
  };
}

/** Whether this user may make containers here at all. */
export function judgeHost(facts: HostFacts): Finding[] {
  const { newuidmap, newgidmap } = facts.mapPrograms;
  return [
    judgeTrials(facts),
    ...judgeSysctls(facts),
    judgeMapProgram('newuidmap', newuidmap, facts),
    judgeMapProgram('newgidmap', newgidmap, facts),
  ];
}

function judgeTrials({ mapTrial, capabilityTrial }: HostFacts): Finding {
  const check = 'user-namespaces';
  const advice =
    'Look at the findings about the kernel and the id ranges. In Docker and the like the outer container has to ' +
    'allow it (such as with --privileged).';
  if (mapTrial !== null) {
    return problem(
      check,
      `the container's id map can't be made: ${mapTrial.message}`,
      mapTrial.cure ?? advice,
    );
  }
  if (capabilityTrial !== null) {
    return problem(check, `a user namespace has no rights here: ${capabilityTrial.message}`, advice);
  }
  return ok(check, "a program runs in the container's id map");
}

function judgeSysctls({ isRoot, sysctls, mapTrial, capabilityTrial }: HostFacts): Finding[] {
  const findings: Finding[] = [];
  const off = (name: SysctlName, value: string) =>
    problem(
      name,
      `${name} is ${sysctls[name]}: user namespaces are switched off`,
      `sysctl -w ${name}=${value}`,
    );
  if (sysctls['user.max_user_namespaces'] === '0') findings.push(off('user.max_user_namespaces', '15000'));
  if (isRoot) return findings;
  if (sysctls['kernel.unprivileged_userns_clone'] === '0')
    findings.push(off('kernel.unprivileged_userns_clone', '1'));
  if (sysctls['kernel.unprivileged_userns_clone'] === '1') {
    findings.push(ok('kernel.unprivileged_userns_clone', 'kernel.unprivileged_userns_clone is 1'));
  }
  const appArmor = 'kernel.apparmor_restrict_unprivileged_userns';
  const restriction = sysctls[appArmor];
  if (restriction === null) return findings;
  if (restriction === '0') return [...findings, ok(appArmor, `${appArmor} is 0`)];
  const hasWorked = mapTrial === null && capabilityTrial === null;
  const found = hasWorked ? warning : problem;
  return [
    ...findings,
    found(
      appArmor,
      `${appArmor} is ${restriction}: AppArmor takes the rights in a user namespace away from programs without a ` +
        `profile that allows it${hasWorked ? '; unshare has one, but perl, which is what rbm uses, may have none' : ''}`,
      `sysctl -w ${appArmor}=0`,
    ),
  ];
}

function judgeMapProgram(name: string, program: MapProgram, { isRoot }: Pick<HostFacts, 'isRoot'>): Finding {
  const cure = debianInstall(['uidmap']);
  if (program.path === null) return problem(name, `the program ${name} was not found`, cure);
  if (program.isSetuid || program.hasCapability === true) {
    return ok(name, `${program.path} ${program.isSetuid ? 'is setuid root' : 'has its file capability'}`);
  }
  if (isRoot) return ok(name, `${program.path} is there, and root needs no setuid bit on it`);
  if (program.hasCapability === null) {
    return warning(
      name,
      `${program.path} has no setuid bit, and whether it has a file capability can't be told without getcap`,
      debianInstall(['libcap2-bin']),
    );
  }
  return problem(
    name,
    `${program.path} has neither the setuid bit nor a file capability, so it may not write an id map`,
    `${debianInstall(['--reinstall', 'uidmap'])}, or chmod u+s ${program.path}`,
  );
}

async function readMapProgram(name: string): Promise<MapProgram> {
  const path = await findInPath(name, SYSTEM_PATH);
  if (path === null) return { path, isSetuid: false, hasCapability: false };
  const { mode, uid } = await stat(path);
  const isSetuid = (mode & 0o4000) !== 0 && uid === 0;
  return { path, isSetuid, hasCapability: isSetuid ? false : await hasCapability(path) };
}

async function hasCapability(path: string): Promise<boolean | null> {
  try {
    const { stdout } = await exec(['getcap', path]);
    return /cap_set[ug]id/.test(stdout.toString());
  } catch {
    return null;
  }
}

async function tryIt(argv: readonly [string, ...string[]]): Promise<Trial | null> {
  try {
    await execInIdMap(argv);
    return null;
  } catch (error) {
    if (!(error instanceof RbmResumeError)) throw error;
    const messages = [error.message, ...(error.cause instanceof Error ? [messageOf(error.cause)] : [])];
    const hasCure = error.code === 'NO_ID_RANGE';
    return {
      message: messages.join(': ').replaceAll('\n', ' '),
      cure: hasCure ? (error.hint ?? null) : null,
    };
  }
}
