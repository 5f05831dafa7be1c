import { RbmResumeError, type ErrorCode } from '../errors.js';

const DEFECTS: readonly ErrorCode[] = [
  'DAMAGED_BLOB',
  'MISSING_BLOB',
  'DAMAGED_SNAPSHOT',
  'BAD_LAYER',
  'LAYER_TOO_BIG',
  'INEXACT_RESTORE',
];

/** Whether the snapshot itself is to blame for an error; a full disk or a missing base is not its fault. */
export const isDefect = (error: unknown): boolean =>
  error instanceof RbmResumeError && DEFECTS.includes(error.code);
