/**
 * What the test of full disks runs in a mount namespace of its own: a parked tree on a disk that has become full is to be taken
 * back. Prints one line of JSON: how that ended with so little left, and how it ended once there was room again.
 */
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fillDisk } from './fill-disk.js';
import { makeDisk } from './loop-disk.js';

const disk = await makeDisk('ext4', { mkfsOptions: ['-m', '0', '-N', '4096'] });
process.env.TMPDIR = disk.dir;
// It puts everything into the folder for temporary files.
const { ParkingPlace } = await import('../container/parking-place.js');
const filler = join(disk.dir, 'filler');
const told: unknown[] = [];
const place = new ParkingPlace();
try {
  await place.park();
  for (const left of [{ kib: 100 }, { inodes: 10 }]) {
    fillDisk(filler, left);
    const { how, ...more } = await place.takeBack();
    told.push([how, 'reason' in more ? more.reason : null, existsSync(join(place.kept.rootfs, 'made-by'))]);
    rmSync(filler, { recursive: true });
  }
  told.push([(await place.takeBack()).how]);
} finally {
  await place.remove();
  await disk.remove();
}
process.stdout.write(`${JSON.stringify({ told })}\n`);
