import { compact, fromBytes } from '../rootfs/entry.js';
import { badLayer } from './bad-layer.js';
import { normalizeMemberPath } from './member-path.js';
import { DEFAULT_TAR_LIMITS } from './tar-limits.js';
import type { LayerMember } from './whiteout.js';

/**
 * One member as a record of a layer's listing: `TYPE MODE UID GID SIZE MTIME XATTRS⟶PATH␀TARGET␀`, a byte string. TYPE
 * is that of the member (`f d l p c b h w o`), the next five are the rest of `meta`, XATTRS is `-` or has commas in place
 * of the spaces (`%2C` and `%25` stand for a comma and a percent sign in a name).
 */
export function formatListingRecord({ path, type, meta, target, xattrs }: LayerMember): string {
  const attributes =
    xattrs === '' ? '-' : xattrs.replaceAll('%', '%25').replaceAll(',', '%2C').replaceAll(' ', ',');
  return `${type}${meta.slice(1)} ${attributes}\t${path}\0${target}\0`;
}

/** The bytes of such a record, if no name of an attribute has to be written otherwise. */
export const listingBytesOf = ({ path, meta, target, xattrs }: Omit<LayerMember, 'type'>): number =>
  path.length + meta.length + target.length + Math.max(1, xattrs.length) + 4;

const ID = '(?:0|[1-9]\\d{0,9})';
const HEAD = new RegExp(
  `^([fdlpcbhwo]) ((?:0|[1-7][0-7]{0,3}) ${ID} ${ID} (0|[1-9]\\d{0,15}) -?(?:0|[1-9]\\d{0,15})\\.\\d{9}) (\\S+)$`,
);
const ATTRIBUTE = /^[^\s,]+=(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/**
 * Reads what {@link formatListingRecord} has written, without the NUL at the end.
 * @throws RbmResumeError `BAD_LAYER` for anything that it does not write
 */
export function parseListingRecord(record: Buffer): LayerMember {
  const text = fromBytes(record);
  const tab = text.indexOf('\t');
  const nul = text.indexOf('\0', tab);
  const match = HEAD.exec(text.slice(0, Math.max(0, tab)));
  if (match === null || tab === -1 || nul === -1 || text.includes('\0', nul + 1)) throw malformed(text);
  const [, letter = '', rest = '', size = '', attributes = ''] = match;
  const type = letter as LayerMember['type'];
  const path = text.slice(tab + 1, nul);
  const target = text.slice(nul + 1);
  const xattrs = parseAttributes(attributes);
  const hasSize = Number.isSafeInteger(Number(size)) && (type === 'f' || size === '0');
  const isRight = hasSize && isPathOf(type, path) && isTargetOf(type, target);
  if (xattrs === null || !isRight) throw malformed(text);
  const meta = compact(`${'hwo'.includes(type) ? 'f' : type} ${rest}`);
  return { path: compact(path), type, meta, target: compact(target), xattrs: compact(xattrs) };
}

function parseAttributes(text: string): string | null {
  if (text === '-') return '';
  const attributes = text.split(',');
  if (!attributes.every((one, at) => ATTRIBUTE.test(one) && (at === 0 || (attributes[at - 1] ?? '') < one))) {
    return null;
  }
  if (/%(?!25|2C)/.test(text)) return null;
  return attributes.join(' ').replaceAll('%2C', ',').replaceAll('%25', '%');
}

function isPathOf(type: LayerMember['type'], path: string): boolean {
  if (path === '') return type === 'd' || type === 'o';
  return normalizeMemberPath(path, DEFAULT_TAR_LIMITS).path === path;
}

function isTargetOf(type: LayerMember['type'], target: string): boolean {
  if (type === 'l') return target !== '';
  if (type === 'h') return target !== '' && normalizeMemberPath(target, DEFAULT_TAR_LIMITS).path === target;
  if (type === 'c' || type === 'b') return /^(?:0|[1-9]\d*),(?:0|[1-9]\d*)$/.test(target);
  return target === '';
}

const malformed = (text: string) =>
  badLayer(`a record of its listing is malformed: ${JSON.stringify(text.slice(0, 120))}`);
