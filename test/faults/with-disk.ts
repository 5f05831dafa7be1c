import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { messageOf } from '../../lib/errors.js';
import { packageDir } from '../rbm/workspace.js';
import type { DiskKind } from './loop-disk.js';

/**
 * Runs a program of this folder in a mount namespace of its own, so that no other process holds a disk mounted.
 * @returns the JSON that it prints
 */
export async function runOnDisk(
  program: string,
  ...words: readonly string[]
): Promise<Record<string, unknown>> {
  const file = join(packageDir, 'test', 'faults', program);
  const node = [process.execPath, '--import', 'tsx', file, ...words];
  const { stdout } = await promisify(execFile)('unshare', ['--mount', '--propagation', 'private', ...node], {
    cwd: packageDir,
  });
  return JSON.parse(/^\{.*$/m.exec(stdout)?.[0] ?? '{}') as Record<string, unknown>;
}

/** Why this user can't have disks of that kind here, or `null`. */
export async function whyNoDisk(kind: DiskKind): Promise<string | null> {
  if (process.getuid?.() !== 0) return 'only root may mount';
  return runOnDisk('power-cut-program.ts', kind, 'images', '0').then(() => null, messageOf);
}
