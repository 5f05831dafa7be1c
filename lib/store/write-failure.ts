import { RbmResumeError } from '../errors.js';
import { describeSystemError, fieldsOf, hintOf, isSystemError } from '../system-error.js';

/**
 * Runs `work`, which writes below `path`, and gives what the system refuses it a name.
 * @throws RbmResumeError `STORE_WRITE_FAILED` instead of a system error (`ENOSPC`, `EIO`, …); others as they are
 */
export async function namingWriteFailures<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof RbmResumeError || !isSystemError(error)) throw error;
    throw new RbmResumeError('STORE_WRITE_FAILED', `cannot write to ${path}: ${describeSystemError(error)}`, {
      hint: `${hintOf(error)} What was committed before stands.`,
      cause: error,
      fields: { path, ...fieldsOf(error) },
    });
  }
}
