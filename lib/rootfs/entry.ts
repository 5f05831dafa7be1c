/**
 * One entry of a tree, in the container's terms. Names are bytes, so every string here holds one byte a character
 * (latin1): two trees are equal when these strings are, whatever the encoding of their names.
 */
export interface Entry {
  /** Relative to the root, without `./` or a slash at the end; empty for the root itself. */
  readonly path: string;
  /**
   * `TYPE MODE UID GID SIZE MTIME`: the type as in find(1) (`f d l p c b s`); the twelve permission bits in octal; decimal
   * ids; the size in bytes of a regular file, else 0; the time as `tv_sec.tv_nsec` with nine decimals (so 0.75 s
   * before 1970 is `-1.250000000`).
   */
  readonly meta: string;
  /** Of a symbolic link what it points to, of a device `MAJOR,MINOR`, else empty. */
  readonly target: string;
  /** The path of the first (in byte order) of the hard links to this file, where there are several; else empty. */
  readonly link: string;
  /** Extended attributes as `NAME=BASE64` with a space between, sorted by name; empty when there are none. */
  readonly xattrs: string;
}

/** A type as find(1) prints it. */
export type EntryType = 'f' | 'd' | 'l' | 'p' | 'c' | 'b' | 's';

export const typeOf = (entry: Pick<Entry, 'meta'>): EntryType => entry.meta[0] as EntryType;
export const sizeOf = (entry: Pick<Entry, 'meta'>): number => Number(entry.meta.split(' ')[4]);

/** The directory that an entry is in; empty for those in the root. */
export const parentOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf('/')));

/** Text of one byte a character as bytes, and back. */
export const toBytes = (text: string): Buffer => Buffer.from(text, 'latin1');
export const fromBytes = (bytes: Buffer): string => bytes.toString('latin1');

/**
 * The same byte string as a copy of its own. What is cut out of a longer string, or put together of others, holds all of
 * those in memory: of an archive's members four times as much as they are.
 */
export const compact = (text: string): string => fromBytes(toBytes(text));

/** A path as a person reads it: UTF-8 where it is, with what is not printable escaped as in C. */
export function printablePath(path: string): string {
  const text = toBytes(path).toString('utf8');
  const isUtf8 = Buffer.from(text, 'utf8').equals(toBytes(path));
  return (isUtf8 ? text : path).replace(
    isUtf8 ? /[\u0000-\u001f\u007f\\]/g : /[\u0000-\u001f\u007f-\u00ff\\]/g,
    (character) =>
      character === '\\' ? '\\\\' : `\\${character.charCodeAt(0).toString(8).padStart(3, '0')}`,
  );
}

const MOST_SHOWN = 300;

/** {@link printablePath} for a message, in which nobody wants to read all of a very long one. */
export function shownPath(path: string): string {
  const name = printablePath(path);
  return name.length > MOST_SHOWN ? `${name.slice(0, MOST_SHOWN)}…` : name;
}

/** {@link shownPath} for text from outside that is none of a path: no line break of it gets into a log. */
export const shownText = (text: string): string => shownPath(fromBytes(Buffer.from(text, 'utf8')));

/** Whether two entries are equal in all that is kept of them. */
export const isSameEntry = (a: Entry, b: Entry): boolean =>
  a.meta === b.meta && a.target === b.target && a.link === b.link && a.xattrs === b.xattrs;
