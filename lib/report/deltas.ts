import { messageOf } from '../errors.js';
import { printablePath } from '../rootfs/entry.js';
import { ANNOTATION } from '../snapshot/annotations.js';
import { sumGrowth, type Growth } from '../snapshot/growth.js';
import type { Snapshot } from '../snapshot/snapshot.js';
import type { SnapshotLayer } from '../snapshot/snapshot-layer.js';
import type { ReportedDelta, ReportedFolder, ReportedSnapshot } from './reported.js';

/** Into the folders of so many of the newest deltas is looked; nobody reads more in one picture. */
const MOST_OPENED = 40;

/** Sizes of a snapshot's layers, and where the files of its deltas lie. Reads the listings of the layers. */
export async function describeDeltas(snapshot: Snapshot, troubles: string[]): Promise<ReportedSnapshot> {
  const { layers, hash, generation, digest, size, record } = snapshot;
  const [lowest] = layers;
  const base = lowest?.descriptor.annotations?.[ANNOTATION.base] === undefined ? null : lowest;
  const deltas: ReportedDelta[] = [];
  for (const layer of base === null ? layers : layers.slice(1)) {
    const { number, descriptor, diffSize } = layer;
    const legs = descriptor.annotations?.[ANNOTATION.legs] ?? '';
    deltas.push({
      number,
      size: descriptor.size,
      diffSize,
      legs: /^\d{1,6}$/.test(legs) ? Number(legs) : null,
      folders:
        number < layers.length - MOST_OPENED
          ? []
          : await foldersOf(snapshot, layer).catch((error: unknown) => {
              troubles.push(`${hash.slice(0, 16)}@${generation}, layer ${number}: ${messageOf(error)}`);
              return [];
            }),
    });
  }
  const baseSize = base?.descriptor.size ?? null;
  return { generation, digest, createdAt: record.parkedAt, size, baseSize, deltas };
}

const foldersOf = async (snapshot: Snapshot, layer: SnapshotLayer): Promise<ReportedFolder[]> =>
  flatten(await sumGrowth(snapshot.archived(layer)));

/** Folders, each file of the delta in one of them. */
export function flatten({ path, bytes, files, directories }: Growth): ReportedFolder[] {
  const below = directories.reduce(
    (sum, one) => ({ bytes: sum.bytes + one.bytes, files: sum.files + one.files }),
    { bytes: 0, files: 0 },
  );
  const own = {
    path: `/${printablePath(path)}`,
    bytes: bytes - below.bytes,
    files: files - below.files,
    isRest: directories.length > 0,
  };
  return [...directories.flatMap(flatten), ...(own.bytes > 0 ? [own] : [])];
}
