import { fromBytes, shownPath } from '../rootfs/entry.js';
import { formatXattrs } from '../rootfs/xattrs.js';
import { badLayer, layerTooBig } from './bad-layer.js';
import { parsePaxNumber, parsePaxRecords, parsePaxTime, type PaxRecord } from './pax.js';
import { readSparseRecords, type SparseRecord } from './sparse.js';
import type { TarLimits } from './tar-limits.js';

/** What the headers in front of a member say instead of its own. Names are as they stand there. */
export interface Overrides {
  readonly path?: string;
  readonly linkPath?: string;
  readonly size?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly mtime?: string;
  readonly sparse?: SparseRecord;
  /** As in `Entry`. */
  readonly xattrs?: string;
}

const MAX_ID = 2 ** 32 - 1;
/**
 * Keys that say nothing about the tree, or what is known without them. The others are known, or refused: what nobody here
 * understands may change a member for other programs.
 */
const IGNORED: ReadonlySet<string> = new Set([
  ...['uname', 'gname', 'comment', 'charset'],
  ...['SCHILY.dev', 'SCHILY.ino', 'SCHILY.nlink', 'SCHILY.fflags', 'LIBARCHIVE.creationtime'],
]);

/** Source: POSIX pax, "pax Extended Header", and libarchive's tar(5). Names are read as bytes either way. */
const CHARSETS: ReadonlySet<string> = new Set(['BINARY', 'ISO-IR 10646 2000 UTF-8']);

/**
 * Reads a pax header for all members that follow, as git has them with a comment. Libarchive passes over all that they say.
 * @throws RbmResumeError `BAD_LAYER`
 */
export function checkGlobalHeader(data: Buffer): void {
  for (const { key } of parsePaxRecords(data)) {
    if (key !== 'comment') throw badLayer(`a pax header for all members has ${shownPath(key)}`);
  }
}

/**
 * Reads the pax header of one member. Source: POSIX pax; star(5) for SCHILY; the manual of GNU tar; libarchive's tar(5).
 * @throws RbmResumeError `BAD_LAYER` for what is malformed, said twice, or means more than is read here; `LAYER_TOO_BIG`
 */
export function readMemberHeader(data: Buffer, limits: TarLimits): Overrides {
  const records: PaxRecord[] = [];
  const xattrRecords: PaxRecord[] = [];
  const sparse: [string, string][] = [];
  let otherBytes = data.length;
  for (const record of parsePaxRecords(data)) {
    const { key, value } = record;
    if (key.startsWith('GNU.')) sparse.push([key.replace('GNU.sparse.', ''), fromBytes(value)]);
    else if (!XATTR.test(key)) records.push(record);
    else {
      xattrRecords.push(record);
      otherBytes -= key.length + value.length;
    }
  }
  if (otherBytes > limits.paxBytes) throw layerTooBig(`its pax header has ${otherBytes} bytes`);
  refuseRepeated([...records, ...xattrRecords].map(({ key }) => key));
  refuseRepeated(sparse.map(([key]) => key).filter((key) => key !== 'offset' && key !== 'numbytes'));
  const xattrs = readXattrRecords(xattrRecords);
  return {
    ...readScalars(records),
    ...(xattrs === '' ? {} : { xattrs }),
    ...(sparse.length === 0 ? {} : { sparse: readSparseRecords(sparse, limits.sparseRegions) }),
  };
}

function readScalars(records: readonly PaxRecord[]): Overrides {
  let overrides: Overrides = {};
  for (const { key, value } of records) {
    const text = fromBytes(value);
    if (key === 'path') overrides = { ...overrides, path: text };
    else if (key === 'linkpath') overrides = { ...overrides, linkPath: text };
    else if (key === 'size') overrides = { ...overrides, size: parsePaxNumber(text) };
    else if (key === 'uid') overrides = { ...overrides, uid: parsePaxNumber(text, MAX_ID) };
    else if (key === 'gid') overrides = { ...overrides, gid: parsePaxNumber(text, MAX_ID) };
    else if (key === 'atime' || key === 'ctime') parsePaxTime(text);
    else if (key === 'mtime') overrides = { ...overrides, mtime: parsePaxTime(text) };
    else if (key === 'SCHILY.realsize') throw badLayer('it is a sparse file in the format of star');
    else if (!IGNORED.has(key) && !(key === 'hdrcharset' && CHARSETS.has(text))) {
      throw badLayer(`its pax header has ${shownPath(key)}, which is unknown`);
    }
  }
  return overrides;
}

function refuseRepeated(keys: readonly string[]): void {
  const repeated = keys.find((key, at) => keys.indexOf(key) !== at);
  if (repeated !== undefined) throw badLayer(`its pax header has ${shownPath(repeated)} twice`);
}

const XATTR = /^(?:SCHILY\.(?:xattr|acl)|LIBARCHIVE\.xattr|RHT)\./;

/** Other ways of saying what an extended attribute holds. Where that is not there too, they count as attributes. */
const OTHER_WORDS: Readonly<Record<string, string>> = {
  'SCHILY.acl.access': 'system.posix_acl_access',
  'SCHILY.acl.default': 'system.posix_acl_default',
  'RHT.security.selinux': 'security.selinux',
};

/** The extended attributes of a pax header, in the form of `Entry.xattrs`. */
function readXattrRecords(records: readonly PaxRecord[]): string {
  const found = new Map<string, string>();
  for (const { key, value } of records) {
    if (key.startsWith('SCHILY.xattr.')) found.set(decodeName(key.slice(13), GNU_ESCAPE), toBase64(value));
  }
  for (const { key, value } of records) {
    if (key.startsWith('LIBARCHIVE.xattr.')) {
      const name = decodeName(key.slice(17), URL_ESCAPE);
      const base64 = toBase64(fromBase64(fromBytes(value)));
      if ((found.get(name) ?? base64) !== base64) throw badLayer(`it has two values of ${name}`);
      found.set(name, base64);
    } else if (!key.startsWith('SCHILY.xattr.') && !found.has(OTHER_WORDS[key] ?? '')) {
      found.set(key, toBase64(value));
    }
  }
  return formatXattrs([...found].map(([name, value]) => `${name}=${value}`));
}

/** GNU tar escapes these two, and only these. */
const GNU_ESCAPE = /%(25|3D)/g;
const URL_ESCAPE = /%([0-9A-Fa-f]{2})/g;

function decodeName(text: string, escape: RegExp): string {
  const name = text.replace(escape, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));

  if (name === '' || /[\u0000-\u0020\u007f]/.test(name)) {
    throw badLayer('the name of an extended attribute is empty or has a space in it');
  }
  return name;
}

const toBase64 = (value: Buffer): string => value.toString('base64');

function fromBase64(text: string): Buffer {
  const value = Buffer.from(text, 'base64');
  if (toBase64(value).replace(/=+$/, '') !== text.replace(/=+$/, '')) {
    throw badLayer('the value of an extended attribute is no base64');
  }
  return value;
}
