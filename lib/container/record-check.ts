import { isDeepStrictEqual } from 'node:util';
import type { LiveRecord, SnapshotRecord } from '../store/record.js';

/** The build that wants to go on in what is kept. */
export type WantedBuild = Pick<
  LiveRecord,
  'project' | 'step' | 'targets' | 'version' | 'filename' | 'expectedScripts'
>;

/** rbm asks for two temporary folders: for the inputs, and for the output. */
const MAX_FOLDERS = 2;
const MAX_FOLDER_LENGTH = 500;

/**
 * Whether a path may be answered to rbm as a temporary folder. rbm puts it unquoted into scripts, some of which run on the
 * host, and into templates, which can run commands too: only what needs no quoting anywhere, and no component that is `.`,
 * `..` or looks like an option.
 */
export const isFolderPath = (path: string): boolean =>
  path.length <= MAX_FOLDER_LENGTH && /^(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9_.][A-Za-z0-9_.-]*)+$/.test(path);

/**
 * Why what a record says can't be of this build, or `null`. The record of a snapshot was written by whoever wrote the cache
 * that it came from, and what it says ends up in shell scripts of the host: so it is held against what this build itself is
 * known to be, and nothing in it is used that rbm and we would not have written.
 */
export function reasonAgainstRecord(
  record: Pick<SnapshotRecord, keyof WantedBuild | 'tmpFolders' | 'endedScripts' | 'legs' | 'parkedAt'>,
  build: WantedBuild,
): string | null {
  for (const field of ['project', 'step', 'targets', 'version', 'filename', 'expectedScripts'] as const) {
    if (!isDeepStrictEqual(record[field], build[field]))
      return `its record is of another build: ${field} is ${tell(record[field])}, not ${tell(build[field])}`;
  }
  return reasonAgainstFolderPaths(record.tmpFolders) ?? reasonAgainstScripts(record);
}

function reasonAgainstFolderPaths(folders: readonly string[]): string | null {
  if (folders.length > MAX_FOLDERS) return `its record has ${folders.length} temporary folders`;
  const bad = folders.find((folder) => !isFolderPath(folder));
  if (bad !== undefined) return `${tell(bad)} is no path for a folder`;
  return new Set(folders).size < folders.length ? 'its temporary folders are the same one' : null;
}

/** Scripts are known by name; those that have ended come in the order in which rbm runs them. */
function reasonAgainstScripts(
  record: Pick<SnapshotRecord, 'expectedScripts' | 'endedScripts' | 'legs'>,
): string | null {
  const { expectedScripts, endedScripts, legs } = record;
  const known = expectedScripts ?? [];
  if (!isDeepStrictEqual(endedScripts, known.slice(0, endedScripts.length)))
    return `its record has ended scripts (${tell(endedScripts)}) that are not the first ones of ${tell(known)}`;
  const last = legs.at(-1);
  if (last === undefined) return 'its record has no leg';
  const stopped = legs.find(({ stoppedIn }) => stoppedIn !== null && !known.includes(stoppedIn));
  if (stopped !== undefined) return `its record has a leg that stopped in ${tell(stopped.stoppedIn)}`;
  if (last.stoppedIn !== null && endedScripts.includes(last.stoppedIn))
    return `its record says of ${tell(last.stoppedIn)} that it has ended and that it was interrupted`;
  return null;
}

/** What somebody else has written, in one line of a log. */
function tell(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}
