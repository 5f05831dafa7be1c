import { exec } from '../../exec.js';
import type { ContainerProcess } from './process-status.js';

/** One open descriptor of a process. */
export interface OpenFile {
  readonly fd: number;
  readonly canRead: boolean;
  readonly canWrite: boolean;
  readonly kind: 'file' | 'pipe' | 'other';
  /** `DEVICE:INODE`, the same for both ends of a pipe and for every name of a file. */
  readonly id: string;
  /** A file's names that are left; `0` when it was deleted and only lives on while it is open. */
  readonly links: number;
  /** Where it lies, as the host sees it: bytes, since a name need not be text. Means nothing for a file that was deleted. */
  readonly path: Buffer;
}

/** A {@link OpenFile} still on disk below a directory, that something was writing. */
export const isBeingWritten = (file: OpenFile, rootDir: string): boolean =>
  file.kind === 'file' && file.canWrite && file.links > 0 && isBelow(file.path, rootDir);

/** Whether a path has the directory `dir` at its front. */
export const isBelow = (path: Buffer, dir: string): boolean => path.indexOf(`${dir}/`) === 0;

/** The bytes between the NULs of a program's output that ends in one. */
export const splitAtNul = (output: Buffer): Buffer[] =>
  output
    .toString('latin1')
    .split('\0')
    .slice(0, -1)
    .map((part) => Buffer.from(part, 'latin1'));

/** The words that run a program as root of the user namespace of a process, with the host's files in sight. */
export const insideUserNamespaceOf = (pid: number) =>
  ['nsenter', `--target=${pid}`, '--user', '--preserve-credentials', '--'] as const;

/**
 * The descriptors of processes, by pid. A process that has died has none. Exact only while they are all stopped.
 *
 * An unprivileged caller may not open `/proc/PID/fd` of the container's other users, but owns their user namespace and
 * may enter it: there it has every capability over them (user_namespaces(7), nsenter(1)). One call reads them all.
 * GNU find tells a link's own mode (`r` and `w` are the two ways that the descriptor is open, proc(5)), and with `-L`
 * what the link leads to, whatever its name says: a name may end in ` (deleted)` and may hold a newline.
 * @param options.namespaceOf the pid of any process of the container
 * @throws RbmResumeError as {@link exec}
 */
export async function readOpenFiles(
  processes: readonly ContainerProcess[],
  options: { readonly namespaceOf: number },
): Promise<ReadonlyMap<number, readonly OpenFile[]>> {
  const open = new Map<number, OpenFile[]>();
  if (processes.length === 0) return open;
  const fdDirs = new Map(processes.map(({ pid, procDir }) => [`${procDir}/fd`, pid]));
  const [links, targets] = await Promise.all([
    find(['find'], { fdDirs, format: '%p\\0%m\\0%l\\0', ...options }),
    find(['find', '-L'], { fdDirs, format: '%p\\0%D:%i\\0%n\\0%y\\0', ...options }),
  ]);
  const targetOf = new Map(
    inGroups(targets, 4).map(([fdPath, ...rest]) => [String(fdPath), rest.map(String)]),
  );
  for (const [link, mode, path] of inGroups(links, 3)) {
    const fdPath = String(link);
    const [id, count, type] = targetOf.get(fdPath) ?? [];
    const slash = fdPath.lastIndexOf('/');
    const pid = fdDirs.get(fdPath.slice(0, slash));
    if (pid === undefined || path === undefined || id === undefined) continue;
    const permissions = Number.parseInt(String(mode), 8);
    const file: OpenFile = {
      fd: Number(fdPath.slice(slash + 1)),
      canRead: (permissions & 0o400) !== 0,
      canWrite: (permissions & 0o200) !== 0,
      kind: type === 'f' ? 'file' : type === 'p' ? 'pipe' : 'other',
      id,
      links: Number(count),
      path,
    };
    open.set(pid, [...(open.get(pid) ?? []), file]);
  }
  return open;
}

interface FindOptions {
  readonly fdDirs: ReadonlyMap<string, number>;
  readonly format: string;
  readonly namespaceOf: number;
}

/** `exit 0`: find complains of processes that have died, while a failure of nsenter must be heard. */
async function find(program: readonly string[], options: FindOptions): Promise<Buffer[]> {
  const script = '"$@"; exit 0';
  const { stdout } = await exec(
    [
      ...insideUserNamespaceOf(options.namespaceOf),
      ...['sh', '-c', script, 'sh', ...program, ...options.fdDirs.keys()],
      ...['-mindepth', '1', '-maxdepth', '1', '-printf', options.format],
    ],
    { allowStderr: true },
  );
  return splitAtNul(stdout);
}

const inGroups = (values: readonly Buffer[], size: number): Buffer[][] =>
  Array.from({ length: Math.floor(values.length / size) }, (_, group) =>
    values.slice(group * size, (group + 1) * size),
  );
