import { systemErrorCode } from '../errors.js';

/** 128 and the number of SIGPIPE: what a shell says of `cat` whose reader has gone. */
const ENDED_BY_SIGPIPE = 141;

/** What the process ends with when nobody reads on. */
export interface ClosedOutput {
  /** @default 141 */
  status: number;
}

/**
 * When the reader of standard output has gone (`| head`), the process ends there and then, as others do: nobody wants the rest.
 * Node.js ignores SIGPIPE, so this is told as an error of the stream. One that nobody reads messages from goes on in silence: a
 * build stands behind it.
 */
export function endWhenClosed(): ClosedOutput {
  const ending: ClosedOutput = { status: ENDED_BY_SIGPIPE };
  const onlyClosed = (error: Error): void => {
    if (systemErrorCode(error) !== 'EPIPE') throw error;
  };
  process.stdout.on('error', (error: Error) => {
    onlyClosed(error);
    process.exit(ending.status);
  });
  process.stderr.on('error', onlyClosed);
  return ending;
}
