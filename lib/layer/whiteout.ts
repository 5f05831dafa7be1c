import { parentOf, toBytes } from '../rootfs/entry.js';
import { badLayer } from './bad-layer.js';
import { encodeHeader, encodePax } from './encode.js';
import type { TarMember } from './tar-member.js';

/** What a whiteout hides of the layers below: one entry with all that is in it, or all that is in a directory. */
export type Whiteout =
  { readonly kind: 'remove'; readonly path: string } | { readonly kind: 'opaque'; readonly dir: string };

const PREFIX = '.wh.';
const OPAQUE = '.wh..wh..opq';

const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1);
const inDirectory = (dir: string, name: string): string => (dir === '' ? name : `${dir}/${name}`);

/** Whether a component of a path begins as whiteouts do, so that no layer can hold it as it is. */
export const isReservedPath = (path: string): boolean =>
  path.startsWith(PREFIX) || path.includes(`/${PREFIX}`);

/**
 * The name of the whiteout that removes `path`. Source: OCI image-spec, layer.md, "Whiteouts".
 * @throws RbmResumeError `BAD_LAYER` for the root, and for a path that no layer can hold
 */
export function whiteoutPath(path: string): string {
  if (path === '' || isReservedPath(path)) throw badLayer('no whiteout can be made for such a name');
  return inDirectory(parentOf(path), `${PREFIX}${nameOf(path)}`);
}

/**
 * What the name of a member says when it is a whiteout, else `null`.
 * @throws RbmResumeError `BAD_LAYER` for a name that programs read in different ways: below a whiteout, `.wh.` without
 *   a name, `.wh..` and `.wh...`, and those that AUFS kept for itself (`.wh..wh.` and anything but `.opq`)
 */
export function parseWhiteout(path: string): Whiteout | null {
  if (!isReservedPath(path)) return null;
  const dir = parentOf(path);
  const hidden = nameOf(path).slice(PREFIX.length);
  if (isReservedPath(dir)) throw badLayer('it lies below a whiteout');
  if (nameOf(path) === OPAQUE) return { kind: 'opaque', dir };
  if (hidden === '' || hidden === '.' || hidden === '..' || hidden.startsWith(PREFIX)) {
    throw badLayer('it is a whiteout of an unknown kind');
  }
  return { kind: 'remove', path: inDirectory(dir, hidden) };
}

/** A member of a layer: as in an archive, or `w`, a whiteout of `path`, or `o`, an opaque whiteout of the directory `path`. */
export interface LayerMember extends Omit<TarMember, 'type'> {
  readonly type: TarMember['type'] | 'w' | 'o';
}

/**
 * The members of a layer in their order, many at a time: one promise for each of them would cost more than all that is done
 * with it.
 */
export type MemberBatches = AsyncIterable<readonly LayerMember[]> | Iterable<readonly LayerMember[]>;

/**
 * A member of an archive as one of a layer.
 * @throws RbmResumeError `BAD_LAYER` as {@link parseWhiteout}, and for a whiteout that is anything but an empty file
 */
export function toLayerMember(member: TarMember): LayerMember {
  const whiteout = parseWhiteout(member.path);
  if (whiteout === null) return member;
  const { type, meta, xattrs } = member;
  if (type !== 'f' || meta.split(' ')[4] !== '0' || xattrs !== '') {
    throw badLayer('it has the name of a whiteout, but is no empty file');
  }
  return whiteout.kind === 'remove'
    ? { ...member, type: 'w', path: whiteout.path }
    : { ...member, type: 'o', path: whiteout.dir };
}

/**
 * The whiteouts that remove `paths`, as members of a tar archive, each an empty file of mode, owner and time 0. No blocks
 * of zeros follow, so the archive goes on with whatever is put behind. A name that is long or not ASCII stands in a
 * pax header as it is, like GNU tar writes it; `hdrcharset` is left out, since GNU tar warns of it.
 * @throws RbmResumeError `BAD_LAYER` as {@link whiteoutPath}
 */
export function* encodeWhiteouts(paths: readonly string[]): Generator<Buffer> {
  for (const path of paths) {
    const name = whiteoutPath(path);
    if (name.length < 100 && /^[\u0001-\u007f]*$/.test(name)) yield encodeHeader(name, 'File', 0);
    else {
      yield encodePax([['path', toBytes(name)]]);
      yield encodeHeader('whiteout', 'File', 0);
    }
  }
}
