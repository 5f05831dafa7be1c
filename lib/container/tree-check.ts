import { join } from 'node:path';
import type { LayeredTree } from '../layer/merge.js';
import { readPlainFile } from '../plain-file.js';
import { typeOf } from '../rootfs/entry.js';
import type { SnapshotRecord } from '../store/record.js';
import { stateLegOf } from './inputs.js';
import { readPosition, unitsDir } from './script-units.js';

/**
 * Where rbm's `container run`, and our own scripts, make directories and write files in a container *from the host*, before
 * its root is the container's. A symbolic link there leads to files of the host.
 */
const DIRECTORIES = [
  'dev',
  'dev/pts',
  'dev/shm',
  'proc',
  'sys',
  'etc',
  'rbm',
  'rbm/resume',
  'rbm/resume/units',
];
const FILES = [
  ...['console', 'full', 'null', 'ptmx', 'random', 'tty', 'urandom', 'zero'].map((name) => `dev/${name}`),
  ...['etc/hosts', 'etc/resolv.conf', 'rbm/cmd', 'rbm/run'],
];

/**
 * Why a build must not be started in a tree, or `null`: what it has could make rbm or us write to a file of the host, or
 * wait for ever.
 */
export function reasonAgainstTree(tree: LayeredTree): string | null {
  const isOther = (path: string, types: string): boolean => {
    const entry = tree.get(path);
    return entry !== undefined && !types.includes(typeOf(entry));
  };
  const bad = DIRECTORIES.find((path) => isOther(path, 'd')) ?? FILES.find((path) => isOther(path, 'f'));
  return bad === undefined
    ? null
    : `/${bad} in it is of a type by which files of the host could be written to`;
}

/** Why a temporary folder of a build is not in a tree, or `null`. */
export function reasonAgainstFolders({ tmpFolders }: SnapshotRecord, tree: LayeredTree): string | null {
  const missing = tmpFolders.find((folder) => {
    const entry = tree.get(folder.slice(1));
    return entry === undefined || typeOf(entry) !== 'd';
  });
  return missing === undefined ? null : `the folder ${missing} in it is missing`;
}

/** More than any script has that rbm renders, in bytes. It is parsed on the host. */
const MAX_SCRIPT_BYTES = 4 << 20;

/**
 * Why the state of an interrupted script in a restored container is not the one that the record speaks of, or `null`. What
 * the state says is for bash in the container alone; here it must only belong to the script that is run again, and be
 * divided as scripts are now (the record has that), or a build would go on at another statement.
 */
export async function reasonAgainstState(
  container: string,
  record: Pick<SnapshotRecord, 'legs' | 'endedScripts'>,
): Promise<string | null> {
  const leg = stateLegOf(record);
  const position = await readPosition(container);
  if ((position === null) !== (leg === null)) {
    return leg === null
      ? 'it holds a state of a script, and its record says that there is none'
      : 'its record speaks of a state of a script that it does not hold';
  }
  if (position === null) return null;
  const units = unitsDir(container);
  const name = await readPlainFile(join(units, 'name'), 100);
  if (name?.toString('latin1').trim() !== leg?.stoppedIn)
    return 'it holds a state of another script than its record says';
  const script = await readPlainFile(join(units, 'script'), MAX_SCRIPT_BYTES);
  return script === null ? 'the script that its state belongs to is missing, or far too long' : null;
}
