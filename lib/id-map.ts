import { readFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { RbmResumeError } from './errors.js';
import { exec, type ExecOptions, type ExecResult } from './exec.js';

/** One line of `/etc/subuid` or `/etc/subgid`: `count` host ids from `first` on. */
export interface IdRange {
  readonly first: number;
  readonly count: number;
}

/**
 * How the ids of a container lie on the host, the same as rbm's `container` script makes it: container id 0 is the
 * caller, container ids 1 to `count` are `first` to `first + count - 1`.
 */
export interface IdMap {
  readonly uid: number;
  readonly gid: number;
  readonly uids: IdRange;
  readonly gids: IdRange;
}

/**
 * The id map of the calling user, from the first line of `/etc/subuid` and `/etc/subgid` that names it (as rbm takes
 * it: subuid(5) allows several lines, rbm uses one).
 * @throws RbmResumeError `NO_ID_RANGE`
 */
export async function readIdMap(): Promise<IdMap> {
  const { uid, gid, username } = userInfo();
  return {
    uid,
    gid,
    uids: await readRange('/etc/subuid', [username, String(uid)]),
    gids: await readRange('/etc/subgid', [username, String(uid)]),
  };
}

/** Whether a tree made under `a` has the same container ids when it is seen under `b`. */
export const isSameIdMap = (a: IdMap, b: IdMap): boolean => describeIdMap(a) === describeIdMap(b);

/** `0=1000 1+65536=100000`, for messages: users, then groups when they differ. */
export function describeIdMap(map: IdMap): string {
  const one = (id: number, range: IdRange) => `0=${id} 1+${range.count}=${range.first}`;
  return `uid ${one(map.uid, map.uids)}, gid ${one(map.gid, map.gids)}`;
}

/**
 * Runs a program of the host as root of the container's id map: it sees container ids and may chown to, read and
 * remove what belongs to any of them. Only the user namespace is new; files, mounts and network are the host's.
 *
 * Source: user_namespaces(7), newuidmap(1). A full set of capabilities comes with the exec that follows the map.
 * @throws RbmResumeError as {@link exec}, `NO_ID_RANGE`, `ID_MAP_FAILED`
 */
export async function execInIdMap(
  argv: readonly [string, ...string[]],
  options: ExecOptions = {},
): Promise<ExecResult> {
  const map = await readIdMap();
  const wait = 'echo ready >&4; exec 4>&-; read -r go <&3 || exit 125; exec 3<&-; exec "$@"';
  return exec(['unshare', '--user', '--', 'sh', '-c', wait, 'sh', ...argv], {
    ...options,
    onWaiting: (pid) => writeIdMap(pid, map),
  });
}

async function writeIdMap(pid: number, map: IdMap): Promise<void> {
  const write = (tool: 'newuidmap' | 'newgidmap', own: number, range: IdRange) =>
    exec([tool, String(pid), '0', String(own), '1', '1', String(range.first), String(range.count)]);
  try {
    await Promise.all([write('newuidmap', map.uid, map.uids), write('newgidmap', map.gid, map.gids)]);
  } catch (cause) {
    throw new RbmResumeError(
      'ID_MAP_FAILED',
      `could not map the ids of the container (${describeIdMap(map)})`,
      {
        hint: 'Is the package uidmap installed, and are user namespaces allowed? `rbm-resume doctor` checks both.',
        cause,
      },
    );
  }
}

async function readRange(file: string, names: readonly string[]): Promise<IdRange> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    throw new RbmResumeError('NO_ID_RANGE', `cannot read ${file}`, {
      hint: rangeHint(file, names[0]),
      cause,
    });
  }
  for (const line of text.split('\n')) {
    const [name, first, count] = line.split(':');
    if (name === undefined || !names.includes(name)) continue;
    const range = { first: Number(first), count: Number(count) };
    if (Number.isSafeInteger(range.first) && Number.isSafeInteger(range.count) && range.count > 0)
      return range;
  }
  throw new RbmResumeError('NO_ID_RANGE', `${file} has no range of ids for ${names[0]}`, {
    hint: rangeHint(file, names[0]),
    fields: { file },
  });
}

const rangeHint = (file: string, user = 'USER'): string =>
  `Add a line such as \`${user}:100000:65536\` to ${file}, with a range that no other user has.`;
