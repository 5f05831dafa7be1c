import { RbmResumeError, type ErrorCode } from '../errors.js';
import { printablePath } from '../rootfs/entry.js';

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
export const layerTooBig = (what: string): RbmResumeError =>
  new RbmResumeError('LAYER_TOO_BIG', what, { hint: HINTS.LAYER_TOO_BIG });

/** The same error with the name of the member in it; anything but an error about a layer comes back as it is. */
export function nameMember(error: unknown, path: string): unknown {
  if (!(error instanceof RbmResumeError) || !isLayerError(error.code)) return error;
  return new RbmResumeError(error.code, `cannot use the layer, at ${printablePath(path)}: ${error.message}`, {
    hint: HINTS[error.code],
    cause: error.cause,
    fields: { ...error.fields, path: printablePath(path) },
  });
}

const isLayerError = (code: ErrorCode): code is LayerErrorCode => code in HINTS;
