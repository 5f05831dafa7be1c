import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { writeListing } from '../../lib/rootfs/baseline.js';
import { median } from './contestant.js';
import { deltaBytes, layoutBytes, ourFirstPack } from './ours.js';
import { tarGzSplit } from './peers/tar.js';
import type { Row } from './rows.js';
import type { Workspace } from './workspace.js';

/** The bytes of a snapshot, beside those of an archive of all and of its own parts. */
export function sizeRows(work: Workspace, isOursThere: boolean): Row[] {
  const delta: Row = {
    what: 'bytes of the delta',
    peer: 'tar -czf of all',
    measure: async () => {
      const theirs = (await tarGzSplit(work).pack(0)).bytes ?? NaN;
      const ours = isOursThere ? ((await ourFirstPack(work).pack(0)).bytes ?? NaN) : null;
      const goal = { kind: 'at most', ratio: 0.1 } as const;
      return { what: delta.what, peer: delta.peer, unit: 'bytes', goal, ours, theirs };
    },
  };
  const whole: Row = {
    what: 'bytes of the store besides the image',
    peer: 'its own delta',
    measure: async () => {
      await ourFirstPack(work).pack(0);
      const ours = (await layoutBytes(work.session, work.store)) - (await stat(work.image)).size;
      const theirs = await deltaBytes(work.store);
      const goal = { kind: 'at most', ratio: 1.02 } as const;
      return { what: whole.what, peer: whole.peer, unit: 'bytes', goal, ours, theirs };
    },
  };
  return isOursThere ? [delta, whole] : [delta];
}

const ENTRIES_PER_SECOND = 150_000;

/** How long the listing of the tree takes, beside the time in which so many entries are to be listed. */
export function scanRow(work: Workspace): Row {
  const row: Row = {
    what: 'scan',
    peer: `${ENTRIES_PER_SECOND} entries a second`,
    measure: async (rounds) => {
      const seconds: number[] = [];
      let entries = 0;
      for (let round = 0; round < rounds; round += 1) {
        const start = process.hrtime.bigint();
        ({ entries } = await writeListing(work.tree, join(work.scratch, 'listing')));
        seconds.push(Number(process.hrtime.bigint() - start) / 1e9);
      }
      const goal = { kind: 'at least', ratio: 1 } as const;
      const theirs = entries / ENTRIES_PER_SECOND;
      return { what: row.what, peer: row.peer, unit: 'seconds', goal, ours: median(seconds), theirs };
    },
  };
  return row;
}
