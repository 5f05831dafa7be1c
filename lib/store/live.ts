import { readFile, readdir, readlink } from 'node:fs/promises';
import { parseScriptTimes } from '../cpu-time.js';
import { systemErrorCode } from '../errors.js';
import { isTroubleOfHost } from '../system-error.js';
import type { LivePaths, StorePaths } from './paths.js';
import { readLiveRecord, type LiveRecord } from './record.js';

/** How one script of a build ended: its exit status, by an interrupt, or nobody knows. */
export type ScriptEnd = number | 'interrupted' | 'unknown';

/** A live directory: its record, or what is wrong with it. */
export interface LiveEntry {
  readonly id: string;
  readonly paths: LivePaths;
  readonly record: LiveRecord | null;
  /** Whether the rbm that builds in it still runs. What can't be read for trouble of the host counts as its own. */
  readonly isOwnerAlive: boolean;
  /** The script that runs in it now. */
  readonly running: string | null;
}

/** All containers that are being built with this store, and what killed runs left behind. */
export async function listLive(paths: StorePaths): Promise<LiveEntry[]> {
  const ids = await namesIn(paths.liveRoot);
  return Promise.all(ids.map((id) => readLive(paths, id)));
}

/** One of them; without a record where there is none of that id. */
export async function readLive(paths: StorePaths, id: string): Promise<LiveEntry> {
  const live = paths.live(id);
  const { record, isUnknown } = await readRecordOf(live);
  return {
    id,
    paths: live,
    record,
    isOwnerAlive: record === null ? isUnknown : await isOwnerAlive(record.owner),
    running: (await readRunning(live))?.name ?? null,
  };
}

async function readRecordOf(
  live: LivePaths,
): Promise<{ readonly record: LiveRecord | null; readonly isUnknown: boolean }> {
  try {
    return { record: await readLiveRecord(live.record), isUnknown: false };
  } catch (error) {
    return { record: null, isUnknown: isTroubleOfHost(error) };
  }
}

/** The names in a directory, sorted; none when there is no directory. */
export async function namesIn(dir: string): Promise<string[]> {
  try {
    return (await readdir(dir)).sort();
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return [];
    throw error;
  }
}

/**
 * Whether the very process still runs: same number, same start, same boot. One that belongs to another pid namespace
 * can't be looked at from here and counts as alive. Source: proc_pid_stat(5), field 22; pid_namespaces(7).
 */
export async function isOwnerAlive(owner: LiveRecord['owner']): Promise<boolean> {
  if (owner.bootId !== (await readBootId())) return false;
  if (owner.pidNamespace !== (await readPidNamespace())) return true;
  return owner.startTime !== null && owner.startTime === (await readStartTime(owner.pid));
}

/** The owner of a container: the process with that number, as it is now. */
export async function identifyOwner(pid: number): Promise<LiveRecord['owner']> {
  return {
    pid,
    startTime: await readStartTime(pid),
    bootId: await readBootId(),
    pidNamespace: await readPidNamespace(),
  };
}

const readPidNamespace = (): Promise<string> => readlink('/proc/self/ns/pid');

/** What remote-exec notes of the script that runs: its name, its log, and how long that was when it began. */
export interface RunningScript {
  readonly name: string;
  readonly log: string | null;
  readonly logOffset: number;
}

export async function readRunning(live: LivePaths): Promise<RunningScript | null> {
  const line = await readLine(live.running);
  if (line === null) return null;
  const [name = '', offset = '0', ...log] = line.split(' ');
  const path = log.join(' ');
  return {
    name,
    log: path.startsWith('/') && !path.startsWith('/proc/') ? path : null,
    logOffset: Number(offset),
  };
}

/** The seconds of processor time that the script of that name has used, if it was the last one to end. */
export async function readScriptCpuSeconds(live: LivePaths, name: string): Promise<number | null> {
  return parseScriptTimes((await readText(live.times)) ?? '', name);
}

/** When a process started, in clock ticks since the boot, or `null` when there is none such. */
export async function readStartTime(pid: number): Promise<string | null> {
  const stat = await readText(`/proc/${pid}/stat`);
  if (stat === null) return null;
  // The second field is the name in parentheses, which may hold anything.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' ? null : (fields[19] ?? null);
}

/** A random id that the kernel makes at each boot. Source: random(4). */
export const readBootId = async (): Promise<string> =>
  (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();

/** How the scripts that ran so far ended, in order; of one that ran twice, the last time counts. */
export async function readScriptEnds(live: LivePaths): Promise<Map<string, ScriptEnd>> {
  const ends = new Map<string, ScriptEnd>();
  for (const line of ((await readText(live.scripts)) ?? '').split('\n')) {
    const [name, end] = line.split(' ');
    if (name === undefined || end === undefined) continue;
    ends.set(name, /^\d+$/.test(end) ? Number(end) : end === 'interrupted' ? end : 'unknown');
  }
  return ends;
}

/** The lines of a small file, none when it is missing. */
export async function readLines(path: string): Promise<string[]> {
  return ((await readText(path)) ?? '').split('\n').filter((line) => line !== '');
}

const readLine = async (path: string): Promise<string | null> => (await readLines(path))[0] ?? null;

async function readText(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes(systemErrorCode(error) ?? '')) return null;
    throw error;
  }
}
