import { constants } from 'node:os';

/**
 * Exit statuses of the command that are not rbm's own. `75` is sysexits' EX_TEMPFAIL: "run me again".
 * The other numbers follow sysexits.h where it has a fitting one.
 */
export const EXIT = {
  finished: 0,
  usage: 64,
  noInput: 66,
  unfitHost: 69,
  internal: 70,
  io: 74,
  interruptedAndKept: 75,
  interruptedNothingKept: 76,
  damaged: 77,
  outputsDiffer: 78,
  notProven: 79,
} as const;

/** One row a code: its exit status. The paragraph for each stands in docs/errors.md; a test holds the three together. */
export const ERROR_EXIT_STATUS = {
  USAGE: EXIT.usage,
  NO_WORKSPACE: EXIT.usage,
  BAD_DESCRIPTION: EXIT.usage,
  BAD_PROJECT_HASH: EXIT.usage,
  BAD_DIGEST: EXIT.usage,
  BAD_CONFIG: EXIT.usage,
  BAD_POLICY: EXIT.usage,
  BAD_KEY: EXIT.usage,
  NOT_KEPT: EXIT.noInput,
  AMBIGUOUS_HASH: EXIT.usage,
  NO_SUCH_CONTAINER: EXIT.noInput,
  DIRECTORY_NOT_EMPTY: EXIT.usage,
  NO_ID_RANGE: EXIT.unfitHost,
  ID_MAP_FAILED: EXIT.unfitHost,
  COMMAND_NOT_FOUND: EXIT.unfitHost,
  COMMAND_FAILED: EXIT.io,
  IO_FAILED: EXIT.io,
  BAD_RECORD: EXIT.damaged,
  BAD_INDEX: EXIT.damaged,
  MISSING_BLOB: EXIT.damaged,
  DAMAGED_BLOB: EXIT.damaged,
  BAD_LAYER: EXIT.damaged,
  LAYER_TOO_BIG: EXIT.damaged,
  BAD_LISTING: EXIT.damaged,
  UNKEEPABLE_NAME: EXIT.usage,
  INEXACT_SNAPSHOT: EXIT.internal,
  INEXACT_RESTORE: EXIT.damaged,
  BASE_NEEDED: EXIT.noInput,
  NO_SUCH_SNAPSHOT: EXIT.noInput,
  NO_ROOM: EXIT.io,
  NO_SUCH_FILE: EXIT.noInput,
  DAMAGED_SNAPSHOT: EXIT.damaged,
  NOT_TRUSTED: EXIT.damaged,
  OTHER_CLASS: EXIT.usage,
  BAD_STATEMENT: EXIT.damaged,
  NO_EXPORT: EXIT.noInput,
  INCOMPLETE_EXPORT: EXIT.damaged,
  DAMAGED_EXPORT: EXIT.damaged,
  REMOTE_FAILED: EXIT.io,
  DAMAGED_REMOTE: EXIT.damaged,
  NOT_IN_REMOTE: EXIT.noInput,
  OTHER_ID_RANGE: EXIT.unfitHost,
  NOT_ON_DISK: EXIT.damaged,
  STORE_BUSY: EXIT.io,
  STORE_WRITE_FAILED: EXIT.io,
  STILL_ALIVE: EXIT.io,
} as const;

export type ErrorCode = keyof typeof ERROR_EXIT_STATUS;

export interface ErrorDetails {
  /** What the person can do next, as a full sentence. */
  readonly hint?: string;
  readonly cause?: unknown;
  /** Typed facts: paths, statuses, ids. Printed by `--json`. */
  readonly fields?: Readonly<Record<string, string | number | boolean | null>>;
}

/**
 * The one class of errors that this package throws on purpose. Match by {@link RbmResumeError.code}, never
 * by message. Anything else that is thrown is a bug, and the command shows its stack.
 */
export class RbmResumeError extends Error {
  override readonly name = 'RbmResumeError';
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly fields: Readonly<Record<string, string | number | boolean | null>>;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.hint = details.hint;
    this.fields = details.fields ?? {};
  }

  /** The exit status that the command ends with because of this error. */
  get exitStatus(): number {
    return ERROR_EXIT_STATUS[this.code];
  }
}

/**
 * The `code` of a system error (`ENOENT`, `EXDEV`, …), or `undefined` for anything else. Node has no name for some that Linux
 * has, EDQUOT among them, and says their number.
 */
export function systemErrorCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return undefined;
  const number = Number(/^Unknown system error -(\d+)$/.exec(error.code)?.[1] ?? NaN);
  if (Number.isNaN(number)) return error.code;
  return Object.entries(constants.errno).find(([, errno]) => errno === number)?.[0] ?? `E${number}`;
}

/** A thrown value as one line of text. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
