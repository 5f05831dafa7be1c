/** The bounds of what a layer may hold; beyond one it is refused with `LAYER_TOO_BIG` before more is read. */
export interface TarLimits {
  /** Members of the archive. */
  readonly entries: number;
  /** Components of a path. */
  readonly depth: number;
  /**
   * Bytes of a path or of a link's target. V8 hashes strings of more than 16,383 characters by their length alone: a map of many
   * such paths compares each new one with all before it, and nine thousand take half an hour.
   */
  readonly pathBytes: number;
  /** Bytes of one member's pax records other than extended attributes. */
  readonly paxBytes: number;
  /** Bytes of one member's pax records of extended attributes. */
  readonly xattrBytes: number;
  /** Pieces of data in one sparse file. */
  readonly sparseRegions: number;
  /** Bytes of all files together, holes included. */
  readonly logicalBytes: number;
  /** Bytes of all that is said of the members together: names, targets, attributes, and the rest of a listing's records. */
  readonly listingBytes: number;
  /** Bytes that any layer may unpack to, however small its file is. */
  readonly unpackedBytes: number;
  /** Bytes beyond these that it may unpack to for each byte of its file. */
  readonly ratio: number;
}

/** Far above any build's tree, and small enough that a hostile archive takes neither the memory nor the machine. */
export const DEFAULT_TAR_LIMITS: TarLimits = {
  entries: 3_000_000,
  depth: 2_048,
  pathBytes: 16_000,
  paxBytes: 1 << 20,
  xattrBytes: 1 << 24,
  sparseRegions: 1_000_000,
  logicalBytes: Number.MAX_SAFE_INTEGER,
  listingBytes: 1 << 29,
  unpackedBytes: 8 * 2 ** 30,
  ratio: 250,
};

/**
 * The most bytes that a layer may unpack to whose file has so many. Builds' trees are packed to a third or a tenth; 8 GiB
 * of zeros take zstd a few seconds, and no disk that has not been asked for room.
 */
export const mostUnpacked = (
  packedBytes: number,
  { unpackedBytes, ratio }: TarLimits = DEFAULT_TAR_LIMITS,
): number => unpackedBytes + ratio * packedBytes;
