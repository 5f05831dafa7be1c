import { RbmResumeError, systemErrorCode, type ErrorCode } from './errors.js';

/** What Node says of a system call that failed, where it says it. Source: Node.js, "Class: SystemError". */
type SystemError = Error & { readonly path?: unknown; readonly dest?: unknown; readonly syscall?: unknown };

/** Whether the system refused something: `ENOSPC`, `EIO`, …; not `ERR_…`, which is Node's own and a bug. */
export const isSystemError = (error: unknown): error is SystemError =>
  error instanceof Error && /^E[A-Z0-9]+$/.test(systemErrorCode(error) ?? '');

/** What says nothing about what is kept: the machine, its disk, or a program on it is to blame, and a later try may do. */
export function isTroubleOfHost(error: unknown): boolean {
  const isNamed = error instanceof RbmResumeError && TROUBLE.has(error.code);
  if (!isNamed && !isSystemError(error)) return false;
  // What is not there is missing of what is kept.
  const systemCode = isNamed ? error.fields.systemCode : systemErrorCode(error);
  return !['ENOENT', 'ENOTDIR', 'ELOOP'].includes(String(systemCode));
}

/** Whether a disk is full, a quota is used up, or inodes are; also by what a program has said. */
export const isWantOfRoom = (error: unknown): boolean =>
  (error instanceof RbmResumeError &&
    (error.code === 'NO_ROOM' || ['ENOSPC', 'EDQUOT'].includes(String(error.fields.systemCode)))) ||
  ['ENOSPC', 'EDQUOT'].includes(systemErrorCode(error) ?? '') ||
  (error instanceof Error && /No space left on device|Disk quota exceeded/.test(error.message));

const TROUBLE: ReadonlySet<ErrorCode> = new Set([
  ...(['IO_FAILED', 'STORE_WRITE_FAILED', 'NO_ROOM', 'STORE_BUSY'] as const),
  ...(['COMMAND_FAILED', 'COMMAND_NOT_FOUND', 'NO_ID_RANGE', 'ID_MAP_FAILED'] as const),
]);

/** One line: `cannot open /store/index.json: EIO: i/o error`. */
export function describeSystemError(error: SystemError): string {
  // Node's message is `CODE: text, syscall 'path' -> 'dest'`; an error that came through a descriptor has no path.
  const [reason = error.message] = error.message.split(', ');
  if (typeof error.syscall !== 'string') return reason;
  const [path, dest] = [error.path, error.dest].map((one) => (typeof one === 'string' ? one : null));
  const what = [error.syscall, path, dest == null ? null : `to ${dest}`].filter((one) => one != null);
  return `cannot ${what.join(' ')}: ${reason}`;
}

const HINTS: Readonly<Record<string, string>> = {
  ENOSPC: 'The file system is full, or has no inodes left (`df -h`, `df -i`). Make room: `rbm-resume prune`.',
  EDQUOT: 'Your quota is used up (`quota`). Make room: `rbm-resume prune`.',
  EIO: 'The disk or its file system has failed: `dmesg` says more. Copy what is kept to another disk.',
  EROFS: 'The file system is read-only: was it remounted after a failure? `dmesg` says more.',
  EMFILE: 'This process may open no more files: raise `ulimit -n`.',
  ENFILE: 'The machine may open no more files: raise fs.file-max.',
  EACCES: 'May you read and write there?',
  EPERM: 'May you read and write there?',
  EFBIG: 'Files may not become so large there: `ulimit -f`, or the file system.',
  ENOMEM: 'The machine has no memory left.',
};

/** What a person can do about what the system refused, as full sentences. */
export const hintOf = (error: SystemError): string =>
  HINTS[systemErrorCode(error) ?? ''] ?? 'Was a file or folder removed or replaced meanwhile?';

/** The facts of a system error, for `RbmResumeError.fields`. */
export function fieldsOf(error: SystemError): { systemCode: string; path?: string } {
  const systemCode = systemErrorCode(error) ?? '';
  return typeof error.path === 'string' ? { systemCode, path: error.path } : { systemCode };
}

/** A system error as `IO_FAILED`; anything else as it is. */
export function toIoFailure(error: unknown, doing: string): unknown {
  if (error instanceof RbmResumeError || !isSystemError(error)) return error;
  return new RbmResumeError('IO_FAILED', `${doing}: ${describeSystemError(error)}`, {
    hint: `${hintOf(error)} What was kept before stands.`,
    cause: error,
    fields: fieldsOf(error),
  });
}

/**
 * Runs `work`, and gives what the system refuses it a name.
 * @param doing what is being done, to what: the beginning of the message
 * @throws RbmResumeError `IO_FAILED` instead of a system error (`ENOSPC`, `EIO`, …); others as they are
 */
export async function namingIoFailures<T>(doing: string, work: () => Promise<T> | T): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw toIoFailure(error, doing);
  }
}
