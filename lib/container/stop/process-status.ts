import { readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { constants } from 'node:os';
import { systemErrorCode } from '../../errors.js';

/** A living process of a container, as it stood when it was listed. */
export interface ContainerProcess {
  /** As the caller sees it, and may signal it. */
  readonly pid: number;
  /** `0` when the parent cannot be seen from here. */
  readonly parentPid: number;
  /** The process's pid in every pid namespace that it is in, from the caller's inward. */
  readonly namespacePids: readonly number[];
  /** One letter: `R`, `S`, `D`, `I`, `T` (stopped) or `t` (stopped by a tracer). Never `Z`: a zombie is dead. */
  readonly state: string;
  readonly threads: number;
  /** The pid of the process that traces this one, `0` for none. */
  readonly tracerPid: number;
  /** Clock ticks since boot. With {@link pid} it names a process for good: pids are used again. */
  readonly startTicks: number;
  /** Where the program lies on the host; `undefined` when it cannot be told. */
  readonly executable: string | undefined;
  readonly command: readonly string[];
  /** Signal sets; ask them with {@link hasSignal}. */
  readonly pending: bigint;
  readonly blocked: bigint;
  readonly ignored: bigint;
  readonly caught: bigint;
  /** The directory in `/proc` that tells about it: that of a living thread when the first thread has ended. */
  readonly procDir: string;
}

/** Whether a signal is in one of the sets of a {@link ContainerProcess}. */
export const hasSignal = (set: bigint, signal: NodeJS.Signals): boolean =>
  ((set >> BigInt(constants.signals[signal] - 1)) & 1n) === 1n;

/** For a person: not what a shell would read. */
export const commandLineOf = ({ command }: Pick<ContainerProcess, 'command'>): string => command.join(' ');

/** Whether two listings mean the same process. */
export const isSameProcess = (a: ContainerProcess, b: ContainerProcess): boolean =>
  a.pid === b.pid && a.startTicks === b.startTicks;

/** Whether the process that was listed still lives, under the same pid. A zombie does not. */
export const isAlive = (process: ContainerProcess): boolean =>
  livingDirOf(process.pid) !== undefined && statOf(process.pid)?.startTicks === process.startTicks;

/**
 * How a listed process has ended, as a shell tells it (128 and more: by that signal), while its parent has not yet taken
 * note of it; `null` when it lives or nobody knows any more.
 */
export function exitStatusOf({ pid, startTicks }: ContainerProcess): number | null {
  const fields = statFields(`/proc/${pid}/stat`);
  if (fields?.[0] !== 'Z' || Number(fields[19]) !== startTicks) return null;
  const waitStatus = Number(fields[49]);
  return (waitStatus & 0x7f) === 0 ? waitStatus >> 8 : 128 + (waitStatus & 0x7f);
}

/** Whether every thread of a process is stopped, so that none of its own code runs. */
export function isStopped({ pid, state, threads }: ContainerProcess): boolean {
  const isStop = (letter: string | undefined): boolean => letter === 'T' || letter === 't';
  if (!isStop(state) || threads === 1) return isStop(state);
  return pidsIn(`/proc/${pid}/task`).every((tid) => {
    const letter = statFields(`/proc/${pid}/task/${tid}/stat`)?.[0];
    return letter === undefined || letter === 'Z' || letter === 'X' || isStop(letter);
  });
}

/** The pids above a process, parent first, as far as they can be seen. Empty when it has died. */
export function ancestorsOf(pid: number): number[] {
  const ancestors: number[] = [];
  for (let above = statOf(pid)?.parentPid; above; above = statOf(above)?.parentPid) {
    if (ancestors.includes(above)) break;
    ancestors.push(above);
  }
  return ancestors;
}

/** A process's pid in every pid namespace that it is in, from the caller's inward: open to everybody. */
export const namespacePidsOf = (pid: number): number[] =>
  namespacePidsIn(textOf(`/proc/${pid}/status`) ?? '');

/**
 * Reads what `/proc` tells about a process (proc(5)); `undefined` when it has died.
 * @param procDir as {@link livingDirOf} gives it
 */
export function readProcess(pid: number, procDir: string): ContainerProcess | undefined {
  const stat = statOf(pid);
  const own = textOf(`/proc/${pid}/status`);
  const status = procDir === `/proc/${pid}` ? own : textOf(`${procDir}/status`);
  if (stat === undefined || own === undefined || status === undefined) return undefined;
  const set = (name: string): bigint => BigInt(`0x${statusField(status, name) || '0'}`);
  return {
    pid,
    ...stat,
    namespacePids: namespacePidsIn(own),
    state: statusField(status, 'State').charAt(0),
    threads: Number(statusField(own, 'Threads')),
    tracerPid: Number(statusField(status, 'TracerPid')),
    executable: linkOf(`${procDir}/exe`),
    command: (textOf(`${procDir}/cmdline`) ?? '').split('\0').slice(0, -1),
    pending: set('SigPnd') | set('ShdPnd'),
    blocked: set('SigBlk'),
    ignored: set('SigIgn'),
    caught: set('SigCgt'),
    procDir,
  };
}

/**
 * `/proc/PID`, or the directory of a living thread when the first thread ended before the others (its own entries
 * are empty then); `undefined` for a zombie, and for a process of someone else.
 */
export function livingDirOf(pid: number): string | undefined {
  const dir = `/proc/${pid}`;
  try {
    readlinkSync(`${dir}/root`);
    return dir;
  } catch (error) {
    if (systemErrorCode(error) !== 'ENOENT') return unlessGone(error);
  }
  const tids = pidsIn(`${dir}/task`).filter((tid) => tid !== pid);
  const living = tids.find((tid) => linkOf(`${dir}/task/${tid}/root`) !== undefined);
  return living === undefined ? undefined : `${dir}/task/${living}`;
}

/** The names in a directory of `/proc` that are numbers. */
export function pidsIn(dir: string): number[] {
  try {
    return readdirSync(dir)
      .filter((name) => /^\d+$/.test(name))
      .map(Number);
  } catch (error) {
    return unlessGone(error) ?? [];
  }
}

/** Where a symbolic link of `/proc` leads; `undefined` when it is gone or closed to the caller. */
export function linkOf(file: string): string | undefined {
  try {
    return readlinkSync(file);
  } catch (error) {
    return unlessGone(error);
  }
}

function statOf(pid: number): { readonly parentPid: number; readonly startTicks: number } | undefined {
  const fields = statFields(`/proc/${pid}/stat`);
  return fields && { parentPid: Number(fields[1]), startTicks: Number(fields[19]) };
}

/** The fields of a `stat` file from the third on, the state: the name before it may hold blanks and brackets. */
function statFields(file: string): string[] | undefined {
  const text = textOf(file);
  return text?.slice(text.lastIndexOf(')') + 2).split(' ');
}

const statusField = (text: string, name: string): string =>
  new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(text)?.[1] ?? '';

const namespacePidsIn = (status: string): number[] =>
  statusField(status, 'NSpid').split(/\s+/).filter(Boolean).map(Number);

function textOf(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    return unlessGone(error);
  }
}

/** Processes die while they are read, and other people's are closed: neither is an error here. */
function unlessGone(error: unknown): undefined {
  const code = systemErrorCode(error) ?? '';
  if (['ENOENT', 'ESRCH', 'EACCES', 'EPERM', 'EINVAL'].includes(code)) return undefined;
  throw error;
}
