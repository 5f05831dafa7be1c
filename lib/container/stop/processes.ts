import { realpathSync } from 'node:fs';
import { RbmResumeError } from '../../errors.js';
import {
  ancestorsOf,
  linkOf,
  livingDirOf,
  namespacePidsOf,
  pidsIn,
  readProcess,
  type ContainerProcess,
} from './process-status.js';

/** What encloses the processes of a container beside their root directory. */
export interface Enclosure {
  /** The first process of the container's pid namespace. */
  readonly initPid: number;
  /** The mount namespace of the runner. */
  readonly mounts: string | undefined;
}

export interface ListOptions {
  /** Also lists processes whose root has come loose: one that was unmounted, or pivoted to. Its link leads nowhere. */
  readonly enclosure?: Enclosure | null;
}

/**
 * Every living process whose root directory is `dir` or lies below it (a chroot inside the container). What the caller
 * may not look into is not the caller's container and is left out, and so is what dies meanwhile.
 *
 * Source: proc(5). `/proc/PID/root` opens to the owner of the process's user namespace (user_namespaces(7),
 * ptrace(2) "Ptrace access mode checking").
 * @throws RbmResumeError `NO_SUCH_CONTAINER` when `dir` is no directory, or the host's own root
 */
export function listProcesses(dir: string, options: ListOptions = {}): ContainerProcess[] {
  const rootDir = resolveRootDir(dir);
  const ownNamespace = linkOf('/proc/self/ns/pid');
  const hasRootInside = (procDir: string): boolean => {
    const root = linkOf(`${procDir}/root`);
    return root !== undefined && (root === rootDir || root.startsWith(`${rootDir}/`));
  };
  const isLooseInside = (pid: number, { initPid, mounts }: Enclosure): boolean => {
    // Only those in another pid namespace are asked for their parents, which costs far more than a link.
    const namespace = linkOf(`/proc/${pid}/ns/pid`);
    if (namespace === undefined || namespace === ownNamespace) return false;
    const ancestors = ancestorsOf(pid);
    if (!ancestors.includes(initPid)) return false;
    // `container run` mounts and unmounts in there too, before and after the script: that is nobody's to signal.
    const ownMounts = linkOf(`/proc/${pid}/ns/mnt`);
    if (ownMounts !== undefined && ownMounts !== mounts) return true;
    return ancestors.some((above) => hasRootInside(`/proc/${above}`));
  };
  return pidsIn('/proc').flatMap((pid) => {
    const procDir = livingDirOf(pid);
    if (procDir === undefined) return [];
    const isInside =
      hasRootInside(procDir) || (options.enclosure != null && isLooseInside(pid, options.enclosure));
    return isInside ? (readProcess(pid, procDir) ?? []) : [];
  });
}

/** The enclosure of a process of a container; `null` when it has no pid namespace of its own. */
export function enclosureOf(process: ContainerProcess): Enclosure | null {
  const depth = process.namespacePids.length;
  const initPid = ancestorsOf(process.pid).find((above) => {
    const pids = namespacePidsOf(above);
    return pids.length === depth && pids.at(-1) === 1;
  });
  if (depth < 2 || initPid === undefined) return null;
  return { initPid, mounts: linkOf(`${process.procDir}/ns/mnt`) };
}

/**
 * The process of the container `dir` that calls itself `nsPid`: the one with that pid in its innermost pid namespace,
 * and of those the least nested. `null` when it has ended.
 * @throws RbmResumeError `NO_SUCH_CONTAINER`, also when two runs are live in `dir` and both have such a process
 */
export function findRunner(dir: string, nsPid: number): ContainerProcess | null {
  const named = listProcesses(dir).filter(({ namespacePids }) => namespacePids.at(-1) === nsPid);
  const depth = Math.min(...named.map(({ namespacePids }) => namespacePids.length));
  const [runner, other] = named.filter(({ namespacePids }) => namespacePids.length === depth);
  if (runner && other) {
    throw new RbmResumeError('NO_SUCH_CONTAINER', `two processes with the pid ${nsPid} are live in ${dir}`, {
      hint: 'End what else runs in this container, then try again.',
      fields: { dir, pids: `${runner.pid} ${other.pid}` },
    });
  }
  return runner ?? null;
}

function resolveRootDir(dir: string): string {
  let rootDir: string;
  try {
    rootDir = realpathSync(dir);
  } catch (cause) {
    throw new RbmResumeError('NO_SUCH_CONTAINER', `there is no container at ${dir}`, {
      cause,
      fields: { dir },
    });
  }
  if (rootDir !== '/') return rootDir;
  throw new RbmResumeError('NO_SUCH_CONTAINER', `${dir} is the host's own root, not a container`, {
    fields: { dir },
  });
}
