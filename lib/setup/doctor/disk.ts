import { access, constants, stat, statfs } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { messageOf, systemErrorCode } from '../../errors.js';
import type { Options } from '../config-documents.js';
import { ok, problem, warning, type Finding } from './finding.js';

/** A build of a browser needs several times as much; below this the next container may not even fit. */
const LEAST_FREE_BYTES = 10 * 2 ** 30;
const LEAST_FREE_INODES = 0.05;

/** A folder in which trees of containers come to lie, or the nearest one above it that is there already. */
export interface Place {
  readonly path: string;
  readonly device: number;
  readonly freeBytes: number;
  /** The share of inodes that is free; `null` on file systems that make them as needed (btrfs). */
  readonly freeInodes: number | null;
  /** Whether this user may write there. */
  readonly isWritable: boolean;
}

export interface DiskFacts {
  /** `null` when its path is not known: outside a workspace, or when it is a template. */
  readonly tmpDir: Place | null;
  readonly store: Place | null;
}

/** @throws a system error when a path can't be looked at */
export async function readPlace(path: string): Promise<Place> {
  for (let at = resolve(path); ; at = dirname(at)) {
    try {
      const [{ dev }, { bsize, bavail, files, ffree }] = await Promise.all([stat(at), statfs(at)]);
      const isWritable = await access(at, constants.W_OK | constants.X_OK).then(
        () => true,
        () => false,
      );
      const freeInodes = files === 0 ? null : ffree / files;
      return { path, device: dev, freeBytes: bsize * bavail, freeInodes, isWritable };
    } catch (error) {
      if (!['ENOENT', 'ENOTDIR'].includes(systemErrorCode(error) ?? '') || at === dirname(at)) throw error;
    }
  }
}

/** As {@link readPlace}; a path that can't be looked at becomes a finding. */
export async function findPlace(check: string, path: string): Promise<Place | Finding> {
  try {
    return await readPlace(path);
  } catch (error) {
    return problem(check, messageOf(error), `Make ${path} readable, or name another folder.`);
  }
}

/** Whether there is room where containers stand and where they are kept, and whether keeping is a rename. */
export function judgeDisk({ tmpDir, store }: DiskFacts): Finding[] {
  const findings = [
    ...(tmpDir === null ? [] : [judgePlace('disk/tmp_dir', tmpDir)]),
    ...(store === null ? [] : [judgePlace('disk/store', store)]),
  ];
  if (tmpDir === null || store === null) return findings;
  const check = 'same-file-system';
  return [
    ...findings,
    tmpDir.device === store.device
      ? ok(check, 'tmp_dir and the store are on the same file system: keeping a container is a rename')
      : warning(
          check,
          `tmp_dir (${tmpDir.path}) and the store (${store.path}) are on different file systems: to keep a container ` +
            'and to take it back are copies, which can take minutes, and make every file look changed',
          `Put the store beside tmp_dir: var/resume_store, RBM_RESUME_STORE or --store.`,
        ),
  ];
}

function judgePlace(check: string, { path, freeBytes, freeInodes, isWritable }: Place): Finding {
  if (!isWritable) {
    return problem(
      check,
      `${path} can't be written by this user`,
      'Give it to the user who builds, or name another folder.',
    );
  }
  const free = `${(freeBytes / 2 ** 30).toFixed(1)} GiB`;
  const inodes = freeInodes === null ? '' : `, ${Math.floor(freeInodes * 100)}% of the inodes`;
  const cure =
    'Make room (`rbm-resume prune` removes snapshots, `rbm-resume remove` what is parked), or name another folder.';
  if (freeBytes < LEAST_FREE_BYTES) {
    return warning(check, `${path}: only ${free} free${inodes}`, cure);
  }
  if (freeInodes !== null && freeInodes < LEAST_FREE_INODES) {
    return warning(
      check,
      `${path}: ${free} free, but only ${(freeInodes * 100).toFixed(1)}% of the inodes`,
      cure,
    );
  }
  return ok(check, `${path}: ${free} free${inodes}`);
}

/**
 * The folder in which rbm's containers stand, out of the options of `rbm.local.conf` and `rbm.conf` in this order;
 * `null` when it is a template that means more than the workspace's folder.
 */
export function tmpDirOf(
  workspace: string,
  options: { readonly configs: readonly Options[]; readonly env: NodeJS.ProcessEnv },
): string | null {
  const set = options.configs
    .map(({ tmp_dir: value }) => value)
    .find((value) => value !== undefined && value !== null);
  if (set === undefined)
    return options.env.TMPDIR === undefined || options.env.TMPDIR === '' ? '/tmp' : options.env.TMPDIR;
  if (typeof set !== 'string') return null;
  const path = set.replace(/\[%[-+]?\s*(?:GET\s+)?c\(\s*(["'])basedir\1\s*\);?\s*[-+]?%\]/g, () => workspace);
  return path.includes('[%') ? null : resolve(workspace, path);
}
