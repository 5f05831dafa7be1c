import { mkdir, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Session } from './session.js';

/** A fresh ext4 file system with a journal, in a file. */
export interface Ext4 {
  readonly mountPoint: string;
  readonly remove: () => Promise<void>;
}

const SIZE = 12 * 2 ** 30;

/**
 * Makes and mounts one; the file is sparse. Its tables are written at once, since the kernel would otherwise do it
 * behind the first measurements.
 */
export async function makeExt4(session: Session, dir: string, name: string): Promise<Ext4> {
  const [image, mountPoint] = [join(dir, `${name}.ext4`), join(dir, name)];
  await mkdir(mountPoint, { recursive: true });
  await writeFile(image, '');
  await truncate(image, SIZE);
  const remove = session.defer(async () => {
    // A program that was killed may still be on its way out: then the mount ends with it.
    await session
      .run(['umount', mountPoint])
      .catch(() => session.run(['umount', '--lazy', mountPoint], { okStatuses: [32] }));
    await rm(image);
  });
  const tables = 'lazy_itable_init=0,lazy_journal_init=0,nodiscard';
  await session.run(['mkfs.ext4', '-q', '-F', '-E', tables, image]);
  await session.run(['mount', '-o', 'loop', image, mountPoint]);
  return { mountPoint, remove };
}
