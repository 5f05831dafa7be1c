import { RbmResumeError, systemErrorCode } from '../errors.js';

/**
 * Runs `work`, which writes below `path`, and gives what the system refuses it a name.
 * @throws RbmResumeError `STORE_WRITE_FAILED` instead of a system error (`ENOSPC`, `EIO`, …); others as they are
 */
export async function namingWriteFailures<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const systemCode = systemErrorCode(cause);
    if (
      cause instanceof RbmResumeError ||
      !(cause instanceof Error) ||
      !/^E[A-Z0-9]+$/.test(systemCode ?? '')
    )
      throw cause;
    throw new RbmResumeError('STORE_WRITE_FAILED', `cannot write to ${path}: ${cause.message}`, {
      hint: 'What was committed before stands. Is there space left, and may you write there?',
      cause,
      fields: { path, systemCode: systemCode ?? null },
    });
  }
}
