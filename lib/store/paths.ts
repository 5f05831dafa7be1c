import { join } from 'node:path';
import type { ProjectHash } from '../digest.js';

/** Where the things of a store lie. Everything that is this machine's own stands under `.rbm-resume/`. */
export interface StorePaths {
  readonly root: string;
  readonly state: string;
  /** The directory that `proper-lockfile` makes: seen by people and other tools. */
  readonly visibleLock: string;
  /** The file on which `flock` is held while something is moved. */
  readonly kernelLock: string;
  readonly liveRoot: string;
  readonly parkedRoot: string;
  readonly setAsideRoot: string;
  /** Containers of failed builds that were kept for a look. */
  readonly failedRoot: string;
  readonly ledger: string;
  /** Where the ledgers of jobs lie that belong to a class. */
  readonly ledgersRoot: string;
  /** Held while what is kept under a hash is moved, packed or restored. */
  hashLock(hash: ProjectHash): string;
  /** The file that says that `root` is an OCI image layout. Source: OCI image-spec, image-layout.md. */
  readonly ociLayout: string;
  /** The image index of the layout: what the store holds. */
  readonly index: string;
  /** The directory of blobs; each is named by the hex digits of its digest. */
  readonly blobs: string;
  /** Where writers put blobs together, each in a folder of its own. */
  readonly stagingRoot: string;
  /** What was found damaged in the layout and taken out of use. */
  readonly quarantineRoot: string;
  /** One container that is being built; `id` is the last component of rbm's `container/dir`. */
  live(id: string): LivePaths;
  parked(hash: ProjectHash): KeptPaths;
}

export interface LivePaths {
  readonly dir: string;
  readonly record: string;
  readonly baseline: string;
  /** A hard link to the container image that it was extracted from, where one could be made. */
  readonly base: string;
  readonly tmpFolders: string;
  /** How many of them rbm was told; missing when rbm has not used the container our way. */
  readonly tmpFoldersGiven: string;
  readonly scripts: string;
  readonly running: string;
  /** What the processor had done before and after the last script; see `parseScriptTimes`. */
  readonly times: string;
  readonly lock: string;
  readonly interrupt: string;
  readonly stopped: string;
  readonly notice: string;
  readonly resumed: string;
  /** Present where a registry may hold something for the build: that goes once it has succeeded. */
  readonly remote: string;
  /** What the script that runs is made of; see `Outline`. */
  readonly units: string;
  /** Why what the running script leaves behind can't be built on. */
  readonly unresumable: string;
}

export interface KeptPaths {
  readonly dir: string;
  readonly record: string;
  /** The record before the tree has been moved. */
  readonly pendingRecord: string;
  readonly baseline: string;
  readonly base: string;
  readonly rootfs: string;
  /** Present once the kept tree is known to be on the disk, not only in the page cache. */
  readonly synced: string;
  /** What has been in the way of taking it back, a line each time. */
  readonly troubles: string;
}

export const livePathsIn = (dir: string): LivePaths => ({
  dir,
  record: join(dir, 'record.json'),
  baseline: join(dir, 'baseline'),
  base: join(dir, 'base'),
  tmpFolders: join(dir, 'tmp-folders'),
  tmpFoldersGiven: join(dir, 'tmp-folders-given'),
  scripts: join(dir, 'scripts'),
  running: join(dir, 'running'),
  times: join(dir, 'times'),
  lock: join(dir, 'lock'),
  interrupt: join(dir, 'interrupt'),
  stopped: join(dir, 'stopped'),
  notice: join(dir, 'notice'),
  resumed: join(dir, 'resumed'),
  remote: join(dir, 'remote'),
  units: join(dir, 'units.json'),
  unresumable: join(dir, 'unresumable'),
});

export const keptPathsIn = (dir: string): KeptPaths => ({
  dir,
  record: join(dir, 'record.json'),
  pendingRecord: join(dir, 'record.pending.json'),
  baseline: join(dir, 'baseline'),
  base: join(dir, 'base'),
  rootfs: join(dir, 'rootfs'),
  synced: join(dir, 'synced'),
  troubles: join(dir, 'troubles'),
});

/** The paths of the store at `root`. Nothing is looked at or made. */
export function storePaths(root: string): StorePaths {
  const state = join(root, '.rbm-resume');
  const [liveRoot, parkedRoot] = [join(state, 'live'), join(state, 'parked')];
  return {
    root,
    state,
    visibleLock: join(state, 'lock'),
    kernelLock: join(state, 'lock.flock'),
    liveRoot,
    parkedRoot,
    setAsideRoot: join(state, 'set-aside'),
    failedRoot: join(state, 'failed'),
    ledger: join(state, 'ledger.json'),
    ledgersRoot: join(state, 'ledgers'),
    ociLayout: join(root, 'oci-layout'),
    index: join(root, 'index.json'),
    blobs: join(root, 'blobs', 'sha256'),
    stagingRoot: join(state, 'tmp'),
    quarantineRoot: join(state, 'quarantine'),
    hashLock: (hash) => join(state, 'hash-locks', hash),
    live: (id) => livePathsIn(join(liveRoot, id)),
    parked: (hash) => keptPathsIn(join(parkedRoot, hash)),
  };
}
