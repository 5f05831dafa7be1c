import { compact, fromBytes } from '../rootfs/entry.js';
import { type Place, badLayer, layerTooBig, namePlace } from './bad-layer.js';
import { ByteFeed, pass, take, type Parser, type Sink } from './byte-feed.js';
import { normalizeMemberPath } from './member-path.js';
import { checkGlobalHeader, readMemberHeader, type Overrides } from './overrides.js';
import { bytesOfMap, checkSparseMap, readGnuMap, readMapInData, type SparseMap } from './sparse.js';
import { BLOCK_BYTES, decodeHeader, FIELD, isZeroBlock, readNumber, type TarHeader } from './tar-header.js';
import { DEFAULT_TAR_LIMITS, type TarLimits } from './tar-limits.js';
import { listingBytesOf } from './listing-record.js';
import { metaOf, targetOf, typeOfMember, type TarMember } from './tar-member.js';

export interface TarReaderOptions {
  /**
   * Called with each member before its data. The sink that it returns gets the data with its place in the file:
   * holes are left out.
   */
  readonly onMember: (member: TarMember) => Sink | void;
  /** @default DEFAULT_TAR_LIMITS */
  readonly limits?: TarLimits;
}

/** Headers that speak of the next member. */
interface Preface {
  pax: Overrides | null;
  name: string | null;
  linkName: string | null;
}

/**
 * Reads the members of a tar archive exactly: every byte of names, nanoseconds, extended attributes, sparse files, in the
 * formats v7, ustar, pax and GNU. It is stricter than programs that extract: what they read in different ways is refused,
 * and so is an archive without its two zero blocks at the end (GNU tar takes it for whole, though it may be cut off
 * between two members), or with anything but zeros after them.
 *
 * Holds no more in memory than one header. Every method throws RbmResumeError `BAD_LAYER` or `LAYER_TOO_BIG`, named after
 * the member, and whatever `onMember` or a sink throws; then the reader is of no use any more.
 */
export class TarReader {
  readonly #options: Required<TarReaderOptions>;
  readonly #feed: ByteFeed;
  #at = '';
  #offset = 0;
  #entries = 0;
  #logicalBytes = 0;
  #listingBytes = 0;
  #isEnded = false;
  #failure: { readonly error: unknown } | null = null;

  constructor(options: TarReaderOptions) {
    this.#options = { limits: DEFAULT_TAR_LIMITS, ...options };
    this.#feed = new ByteFeed(this.#readArchive());
  }

  /** Takes the next bytes of the archive, as many as there are. */
  write(chunk: Buffer): void {
    if (this.#failure !== null) throw this.#failure.error;
    try {
      this.#feed.write(chunk);
    } catch (error) {
      this.#failure = { error: namePlace(error, this.#place()) };
      throw this.#failure.error;
    }
  }

  /** To be called after the last byte. */
  end(): void {
    if (this.#failure !== null) throw this.#failure.error;
    if (!this.#isEnded) throw namePlace(badLayer('the archive is cut off here or after it'), this.#place());
  }

  #place(): Place {
    return { path: this.#at, offset: this.#offset };
  }

  *#readArchive(): Parser {
    let preface: Preface = { pax: null, name: null, linkName: null };
    const { limits } = this.#options;
    for (;;) {
      const block = yield* take(BLOCK_BYTES);
      this.#offset = this.#feed.bytes - BLOCK_BYTES;
      const hasPreface = preface.pax !== null || preface.name !== null || preface.linkName !== null;
      if (isZeroBlock(block)) {
        if (hasPreface) throw badLayer('the archive ends where a member is announced');
        return yield* this.#readEnd();
      }
      const header = decodeHeader(block);
      this.#at = header.name;
      const { typeFlag } = header;
      if (typeFlag === 'x' || typeFlag === 'g') {
        if (hasPreface) throw badLayer('a pax header follows another header of the same member');
        const data = yield* readPrefaceData(header, limits.paxBytes + limits.xattrBytes);
        if (typeFlag === 'g') checkGlobalHeader(data);
        else preface.pax = readMemberHeader(data, limits);
      } else if (typeFlag === 'L' || typeFlag === 'K') {
        const key = typeFlag === 'L' ? 'name' : 'linkName';
        if (preface.pax !== null || preface[key] !== null) throw badLayer('its long name is given twice');
        preface[key] = readLongName(yield* readPrefaceData(header, limits.pathBytes + 1));
      } else {
        yield* this.#readMember(header, preface);
        preface = { pax: null, name: null, linkName: null };
      }
    }
  }

  *#readEnd(): Parser {
    if (!isZeroBlock(yield* take(BLOCK_BYTES))) throw badLayer('a lone block of zeros follows it');
    this.#isEnded = true;
    yield* pass(Number.POSITIVE_INFINITY, refuseBytes);
  }

  *#readMember(header: TarHeader, preface: Preface): Parser {
    const { limits, onMember } = this.#options;
    const own = preface.pax ?? {};
    const name = own.sparse?.name ?? own.path ?? preface.name ?? header.name;
    this.#at = name;
    const stored = storedSize(header, own.size);
    const named = normalizeMemberPath(name, limits);
    const type = typeOfMember(header, named);
    if (type !== 'f' && stored !== 0) throw badLayer('it has data, but is no file');
    const sparse = yield* readSparse(header, { preface, stored, limits, type });
    const size = sparse === null ? stored : sparse.realSize;
    this.#entries += 1;
    this.#logicalBytes += size;
    if (this.#entries > limits.entries) throw layerTooBig(`there are more than ${limits.entries} members`);
    if (!(this.#logicalBytes <= limits.logicalBytes)) throw layerTooBig('the files are too big together');
    const longLink = own.linkPath ?? preface.linkName;
    if (longLink !== null && type !== 'l' && type !== 'h') throw badLayer('it has a target, but is no link');
    const linkName = longLink ?? header.linkName;
    const member: TarMember = {
      path: compact(named.path),
      type,
      meta: compact(metaOf(header, { type, size, overrides: own })),
      target: compact(targetOf(header, { type, linkName, limits })),
      xattrs: compact(own.xattrs ?? ''),
    };
    this.#listingBytes += listingBytesOf(member);
    if (this.#listingBytes > limits.listingBytes)
      throw layerTooBig('names and attributes are too long together');
    const sink = onMember(member) ?? null;
    yield* passData({ stored, sparse, sink });
  }
}

/** Some programs go by the pax header, others by the member's own: they may differ only where that one can't hold it. */
function storedSize(header: TarHeader, paxSize: number | undefined): number {
  const size = readNumber(header.block, FIELD.size);
  if (size < 0) throw badLayer('its size is negative');
  if (paxSize === undefined || paxSize > LARGEST_OCTAL_SIZE) return paxSize ?? size;
  if (paxSize !== size) throw badLayer(`its size is ${size} bytes, and ${paxSize} in its pax header`);
  return size;
}

const LARGEST_OCTAL_SIZE = 8 ** 11 - 1;

/** Refuses what follows the end of an archive: GNU tar does not read it, other programs may. */
function refuseBytes(chunk: Buffer): void {
  for (const byte of chunk) if (byte !== 0) throw badLayer('something follows the end of the archive');
}

function* readPrefaceData(header: TarHeader, most: number): Parser<Buffer> {
  const size = readNumber(header.block, FIELD.size);
  if (size < 0) throw badLayer('its size is negative');
  if (size > most) throw layerTooBig(`a header in front of it has ${size} bytes`);
  const data = yield* take(size);
  yield* pass(paddingOf(size));
  return data;
}

/** The name in the data of a GNU header `L` or `K`: it ends with NULs. Without one GNU tar reads on behind the data. */
function readLongName(data: Buffer): string {
  const name = fromBytes(data).replace(/\0+$/, '');
  if (name === '' || name.length === data.length || name.includes('\0'))
    throw badLayer('its long name is malformed');
  return name;
}

interface SparseContext {
  readonly preface: Preface;
  readonly stored: number;
  readonly limits: TarLimits;
  readonly type: TarMember['type'];
}

function* readSparse(header: TarHeader, context: SparseContext): Parser<SparseMap | null> {
  const { preface, stored, type } = context;
  const most = context.limits.sparseRegions;
  const record = preface.pax?.sparse;
  const isOld = header.typeFlag === 'S';
  if (record === undefined && !isOld) return null;
  if (type !== 'f' || (isOld && (preface.pax !== null || header.format !== 'gnu'))) {
    throw badLayer('it is sparse, but no file or in two ways');
  }
  let sparse: SparseMap;
  let mapBytes = 0;
  if (record === undefined) sparse = yield* readGnuMap(header.block, most);
  else if (record.numbers !== null) sparse = { realSize: record.realSize, numbers: record.numbers };
  else {
    sparse = { realSize: record.realSize, numbers: yield* readMapInData(stored, most) };
    mapBytes = bytesOfMap(sparse.numbers);
  }
  checkSparseMap(sparse, stored - mapBytes);
  return sparse;
}

function* passData(data: {
  readonly stored: number;
  readonly sparse: SparseMap | null;
  readonly sink: Sink | null;
}): Parser {
  const { stored, sparse, sink } = data;
  if (sparse === null) yield* pass(stored, sink);
  else {
    for (let at = 0; at < sparse.numbers.length; at += 2) {
      yield* pass(sparse.numbers[at + 1] as number, sink, sparse.numbers[at]);
    }
  }
  // A map in front of the data is whole blocks, so it does not count.
  yield* pass(paddingOf(stored));
}

const paddingOf = (bytes: number): number => (BLOCK_BYTES - (bytes % BLOCK_BYTES)) % BLOCK_BYTES;
