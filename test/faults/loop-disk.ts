import { execFile, execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A file system of its own in a file. */
export interface LoopDisk {
  /** Where it is mounted. */
  readonly dir: string;
  /**
   * As a power cut: from now on nothing reaches the disk, not even the journal that is in memory; whoever works there gets EIO.
   * Source: FS_IOC_SHUTDOWN of linux/fs.h (ext4, xfs) with FS_SHUTDOWN_FLAGS_NOLOGFLUSH.
   */
  cut(): Promise<void>;
  /** As after a reboot: what is on the disk is mounted again, and its journal replayed. Nobody may work there. */
  remount(): Promise<void>;
  remove(): Promise<void>;
}

/** How a file system is made; `MIB` is the size of its file, which has holes. */
const KINDS = {
  ext4: { mib: 64, mkfs: ['mkfs.ext4', '-q', '-F'], options: 'loop,commit=60' },
  xfs: { mib: 320, mkfs: ['mkfs.xfs', '-q', '-f'], options: 'loop' },
} as const;

export type DiskKind = keyof typeof KINDS;
export const DISK_KINDS = Object.keys(KINDS) as DiskKind[];

/** Makes and mounts a disk, which is to be removed. */
export async function makeDisk(
  kind: DiskKind,
  with_: { readonly mib?: number; readonly mkfsOptions?: readonly string[] } = {},
): Promise<LoopDisk> {
  const { mib, mkfs, options } = KINDS[kind];
  const work = mkdtempSync(join(tmpdir(), 'rbm-resume-disk-'));
  const [file, dir] = [join(work, 'file'), join(work, 'mounted')];
  mkdirSync(dir);
  writeFileSync(file, '');
  truncateSync(file, (with_.mib ?? mib) * 2 ** 20);
  const mount = () => run('mount', ['-o', options, file, dir]);
  const unmount = async () => {
    // A descriptor that is being closed just now keeps it busy.
    for (let tries = 0; ; tries += 1) {
      const { status, stderr } = spawnSync('umount', [dir], { encoding: 'utf8' });
      // What is still attached is still mounted in some other namespace, and would come back as it was cut.
      if (status === 0 || stderr.includes('not mounted')) {
        if (spawnSync('losetup', ['--associated', file]).stdout.length === 0) return;
      }
      if (tries === 300) throw new Error(`${dir} can't be unmounted: ${stderr}`);
      await setTimeout(100);
    }
  };
  const [program, ...words] = mkfs;
  try {
    execFileSync(program, [...words, ...(with_.mkfsOptions ?? []), file], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    await mount();
  } catch (error) {
    rmSync(work, { recursive: true });
    throw error;
  }
  return {
    dir,
    cut: async () => {
      await run('perl', ['-e', SHUTDOWN, dir]);
    },
    remount: async () => {
      await unmount();
      await mount();
    },
    remove: async () => {
      await unmount();
      rmSync(work, { recursive: true });
    },
  };
}

const SHUTDOWN = `
open my $dir, '<', $ARGV[0] or die "$ARGV[0]: $!";
my $no_log_flush = pack 'L', 2;
ioctl $dir, 0x8004587d, $no_log_flush or die "FS_IOC_SHUTDOWN: $!";
`;
