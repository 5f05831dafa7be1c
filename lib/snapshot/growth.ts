import type { LayerMember, MemberBatches } from '../layer/whiteout.js';
import { parentOf } from '../rootfs/entry.js';

/** A directory, and how much file content a layer brought below it. */
export interface Growth {
  /** A byte string, see `Entry`; empty for the root. */
  readonly path: string;
  readonly bytes: number;
  readonly files: number;
  /** The largest directories in it, largest first; those too small to matter are left out. */
  readonly directories: readonly Growth[];
}

const MAX_DEPTH = 4;
const MAX_DIRECTORIES = 6;
/** A directory is told when it holds at least one part in so many of the whole. */
const SMALLEST_PART = 50;

interface Sum {
  bytes: number;
  files: number;
}

/**
 * Sums up the content of a layer's regular files by directory. A directory whose whole content lies in one below it is
 * passed over for that one. The sizes are those of files, with their holes.
 */
export async function sumGrowth(batches: MemberBatches): Promise<Growth> {
  const sums = new Map<string, Sum>([['', { bytes: 0, files: 0 }]]);
  const add = ({ path, type, meta }: LayerMember): void => {
    if (type !== 'f') return;
    const bytes = Number(meta.split(' ')[4]);
    for (let dir = parentOf(path); ; dir = parentOf(dir)) {
      const sum = sums.get(dir);
      if (sum === undefined) sums.set(dir, { bytes, files: 1 });
      else {
        sum.bytes += bytes;
        sum.files += 1;
      }
      if (dir === '') break;
    }
  };
  for await (const members of batches) members.forEach(add);
  const below = new Map<string, string[]>();
  for (const path of sums.keys()) {
    if (path === '') continue;
    const siblings = below.get(parentOf(path));
    if (siblings === undefined) below.set(parentOf(path), [path]);
    else siblings.push(path);
  }
  return collapse('', { sums, below, smallest: (sums.get('')?.bytes ?? 0) / SMALLEST_PART, depth: 0 });
}

function collapse(
  path: string,
  of: {
    readonly sums: ReadonlyMap<string, Sum>;
    readonly below: ReadonlyMap<string, readonly string[]>;
    readonly smallest: number;
    readonly depth: number;
  },
): Growth {
  const { sums, below, smallest, depth } = of;
  const { bytes, files } = sums.get(path) ?? { bytes: 0, files: 0 };
  const children = below.get(path) ?? [];
  const only = children.find((child) => sums.get(child)?.files === files);
  if (only !== undefined && path !== '') return collapse(only, of);
  const bytesOf = (child: string) => sums.get(child)?.bytes ?? 0;
  const directories =
    depth === MAX_DEPTH
      ? []
      : children
          .filter((child) => bytesOf(child) > 0 && bytesOf(child) >= smallest)
          .sort((x, y) => bytesOf(y) - bytesOf(x) || (x < y ? -1 : 1))
          .slice(0, MAX_DIRECTORIES)
          .map((child) => collapse(child, { ...of, depth: depth + 1 }));
  return { path, bytes, files, directories };
}
