import type { HostileCase } from './hostile-case.js';
import { hostileData } from './hostile-data.js';
import { hostileHeaders } from './hostile-headers.js';
import { hostileNames } from './hostile-names.js';
import { hostilePaxHeaders } from './hostile-pax.js';
import { hostileSparseFiles } from './hostile-sparse.js';
import { hostileTrees } from './hostile-trees.js';

/** The named hostile archives that are not compressed. */
export const HOSTILE_FAMILIES: Readonly<Record<string, () => Iterable<HostileCase>>> = {
  headers: hostileHeaders,
  names: hostileNames,
  'pax headers': hostilePaxHeaders,
  'sparse files': hostileSparseFiles,
  data: hostileData,
  trees: hostileTrees,
};
