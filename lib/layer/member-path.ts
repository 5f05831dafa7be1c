import { badLayer, layerTooBig } from './bad-layer.js';
import type { TarLimits } from './tar-limits.js';

/** A name in an archive as a path of `Entry`. */
export interface MemberPath {
  readonly path: string;
  /** How the name ended: with a slash or with the component `.`, as only a directory's may, or neither. */
  readonly ending: '/' | '.' | '';
}

/**
 * Takes `./`, repeated slashes and a slash at the end away; the root is empty.
 * @throws RbmResumeError `BAD_LAYER` for an absolute name, the component `..` or a NUL; `LAYER_TOO_BIG`
 */
export function normalizeMemberPath(name: string, limits: TarLimits): MemberPath {
  if (name === '') throw badLayer('it has no name');
  if (name.startsWith('/')) throw badLayer('its name is absolute');
  if (name.length > limits.pathBytes) throw layerTooBig(`its name has ${name.length} bytes`);
  if (name.includes('\0')) throw badLayer('its name holds a NUL');
  const isSlashed = name.endsWith('/');
  const path = name.slice(name.startsWith('./') ? 2 : 0, isSlashed ? -1 : undefined);
  if (!UNUSUAL.test(path)) return checkDepth({ path, ending: isSlashed ? '/' : '' }, limits);
  const parts = name.split('/').filter((part) => part !== '');
  if (parts.includes('..')) throw badLayer('its name has the component `..`');
  const ending = parts.at(-1) === '.' ? '.' : isSlashed ? '/' : '';
  return checkDepth({ path: parts.filter((part) => part !== '.').join('/'), ending }, limits);
}

/** A component that is empty, `.` or `..`. */
const UNUSUAL = /(?:^|\/)\.{0,2}(?:\/|$)/;

function checkDepth(found: MemberPath, limits: TarLimits): MemberPath {
  let depth = 1;
  for (let at = found.path.indexOf('/'); at !== -1; at = found.path.indexOf('/', at + 1)) depth += 1;
  if (depth > limits.depth) throw layerTooBig(`its name has ${depth} components`);
  return found;
}
