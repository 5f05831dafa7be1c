import { mkdirSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemErrorCode } from '../../lib/errors.js';

/** Leaves so much of a disk: the rest of it becomes files in `filler`, a folder that is not there yet. */
export function fillDisk(filler: string, left: { readonly kib: number } | { readonly inodes: number }): void {
  mkdirSync(filler);
  if ('kib' in left) {
    // The file system takes some blocks for itself as it fills, so the last ones come one by one.
    for (let number = 0; ; number += 1) {
      const { bavail, bsize } = statfsSync(filler);
      const over = bavail * bsize - left.kib * 1024;
      if (over <= 0) return;
      try {
        writeFileSync(join(filler, String(number)), Buffer.alloc(over > 2 ** 20 ? over - 2 ** 19 : bsize));
      } catch (error) {
        if (systemErrorCode(error) === 'ENOSPC') return;
        throw error;
      }
    }
  }
  for (let number = 0; statfsSync(filler).ffree > left.inodes; number += 1)
    writeFileSync(join(filler, String(number)), '');
}
