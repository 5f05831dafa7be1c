/** The bounds of what a layer may hold; beyond one it is refused with `LAYER_TOO_BIG` before more is read. */
export interface TarLimits {
  /** Members of the archive. */
  readonly entries: number;
  /** Components of a path. */
  readonly depth: number;
  /** Bytes of a path or of a link's target. */
  readonly pathBytes: number;
  /** Bytes of one member's pax records other than extended attributes. */
  readonly paxBytes: number;
  /** Bytes of one member's pax records of extended attributes. */
  readonly xattrBytes: number;
  /** Pieces of data in one sparse file. */
  readonly sparseRegions: number;
  /** Bytes of all files together, holes included. */
  readonly logicalBytes: number;
}

/** Far above any build's tree, and small enough that a hostile archive takes neither the memory nor the machine. */
export const DEFAULT_TAR_LIMITS: TarLimits = {
  entries: 5_000_000,
  depth: 2_048,
  pathBytes: 65_536,
  paxBytes: 1 << 20,
  xattrBytes: 1 << 24,
  sparseRegions: 1_000_000,
  logicalBytes: Number.MAX_SAFE_INTEGER,
};
