import type { EntryType } from '../rootfs/entry.js';
import { badLayer, layerTooBig } from './bad-layer.js';
import { normalizeMemberPath, type MemberPath } from './member-path.js';
import type { Overrides } from './overrides.js';
import { formatTime } from './pax.js';
import { FIELD, readNumber, type TarHeader } from './tar-header.js';
import type { TarLimits } from './tar-limits.js';

/** One member of an archive. Strings are byte strings, as in `Entry`. */
export interface TarMember {
  /** Relative, without `./`, repeated slashes or a slash at the end; empty for the root. */
  readonly path: string;
  /** As in `Entry`, or `h`: another name of a file. */
  readonly type: EntryType | 'h';
  /** As in `Entry`; the size is that of the file with its holes. Of `h` it begins with `f` and has the size 0. */
  readonly meta: string;
  /** As in `Entry`; of `h` the path of the file that it is another name of. */
  readonly target: string;
  /** As in `Entry`. ACLs that stand there only as text are attributes `SCHILY.acl.access` and `.default`. */
  readonly xattrs: string;
}

/** Types of members by type flag. A member of another type may mean anything. */
const TYPES: Readonly<Record<string, TarMember['type']>> = {
  '0': 'f',
  '\0': 'f',
  '7': 'f',
  S: 'f',
  '1': 'h',
  '2': 'l',
  '3': 'c',
  '4': 'b',
  '5': 'd',
  '6': 'p',
};

const MAY_END_WITH_SLASH: ReadonlySet<string> = new Set(['0', '\0', '5']);

/** @throws RbmResumeError `BAD_LAYER` for a type that nobody knows, or a name that only a directory may have */
export function typeOfMember(header: TarHeader, named: MemberPath): TarMember['type'] {
  const { typeFlag } = header;
  const type = TYPES[typeFlag];
  if (type === undefined) throw badLayer(`it is of the unknown type ${JSON.stringify(typeFlag)}`);
  if (named.ending === '/' && !MAY_END_WITH_SLASH.has(typeFlag)) throw badLayer('it is no directory');
  // Before there was a type for them, directories were files whose name ends with a slash.
  const actual = type === 'f' && named.ending === '/' ? 'd' : type;
  if (actual !== 'd' && (named.path === '' || named.ending === '.')) throw badLayer('it is no directory');
  return actual;
}

/** @throws RbmResumeError `BAD_LAYER` for a mode or an owner that no file can have */
export function metaOf(
  { block }: TarHeader,
  of: { readonly type: TarMember['type']; readonly size: number; readonly overrides: Overrides },
): string {
  const { type, size, overrides } = of;
  const mode = readNumber(block, FIELD.mode);
  const uid = overrides.uid ?? readNumber(block, FIELD.uid);
  const gid = overrides.gid ?? readNumber(block, FIELD.gid);
  const mtime = overrides.mtime ?? formatTime(readNumber(block, FIELD.mtime), 0);
  if (mode < 0 || uid < 0 || gid < 0 || mode > MAX_32 || uid > MAX_32 || gid > MAX_32) {
    throw badLayer('its mode or owner is out of range');
  }
  return `${type === 'h' ? 'f' : type} ${(mode & 0o7777).toString(8)} ${uid} ${gid} ${size} ${mtime}`;
}

const MAX_32 = 2 ** 32 - 1;

/** As Linux has them. Source: include/linux/kdev_t.h. */
const [MAX_MAJOR, MAX_MINOR] = [2 ** 12 - 1, 2 ** 20 - 1];

/** @throws RbmResumeError `BAD_LAYER`, `LAYER_TOO_BIG` */
export function targetOf(
  { block, format }: TarHeader,
  of: { readonly type: TarMember['type']; readonly linkName: string; readonly limits: TarLimits },
): string {
  const { type, linkName, limits } = of;
  if (type === 'h') {
    const target = normalizeMemberPath(linkName, limits);
    if (target.path === '' || target.ending !== '') throw badLayer('it is a hard link to a directory');
    return target.path;
  }
  if (type === 'l') {
    if (linkName === '' || linkName.includes('\0')) throw badLayer('it is a symbolic link to no name');
    if (linkName.length > limits.pathBytes) throw layerTooBig(`its target has ${linkName.length} bytes`);
    return linkName;
  }
  if (type !== 'c' && type !== 'b') return '';
  if (format === 'v7') throw badLayer('it is a device without numbers');
  const [major, minor] = [readNumber(block, FIELD.devMajor), readNumber(block, FIELD.devMinor)];
  if (major < 0 || major > MAX_MAJOR || minor < 0 || minor > MAX_MINOR) {
    throw badLayer('its device numbers are out of range');
  }
  return `${major},${minor}`;
}
