import { RbmResumeError, type ErrorCode } from '../errors.js';
import { shownPath } from '../rootfs/entry.js';

const HINTS = {
  BAD_LAYER: 'Nothing of it is used; the build starts clean. `rbm-resume verify` tells which blob it is.',
  LAYER_TOO_BIG:
    'Nothing of it is used; the build starts clean. If the tree really is that big, build it without keeping.',
} as const;

type LayerErrorCode = keyof typeof HINTS;

/** The error for a layer that is damaged, or that can't be read exactly. */
export const badLayer = (what: string, cause?: unknown): RbmResumeError =>
  new RbmResumeError('BAD_LAYER', what, { hint: HINTS.BAD_LAYER, cause });

/** The error for a layer that goes beyond one of its bounds. */
export const layerTooBig = (what: string, hint: string = HINTS.LAYER_TOO_BIG): RbmResumeError =>
  new RbmResumeError('LAYER_TOO_BIG', what, { hint });

/** Where in an archive something is wrong: the member (empty before the first), and the byte at which its header begins. */
export interface Place {
  readonly path: string;
  readonly offset: number;
}

/** The same error with its place in it; anything but an error about a layer comes back as it is. */
export function namePlace(error: unknown, { path, offset }: Place): unknown {
  if (!(error instanceof RbmResumeError) || !isLayerError(error.code)) return error;
  const name = shownPath(path);
  const where = path === '' ? '' : `, ${name}`;
  return new RbmResumeError(
    error.code,
    `cannot use the layer, at byte ${offset} of its archive${where}: ${error.message}`,
    { hint: HINTS[error.code], cause: error.cause, fields: { ...error.fields, path: name, offset } },
  );
}

const isLayerError = (code: ErrorCode): code is LayerErrorCode => code in HINTS;
