import { existsSync } from 'node:fs';
import * as v from 'valibot';
import type { LivePaths } from '../store/paths.js';
import { readRecord } from '../store/record.js';

const stoppedSchema = v.object({
  script: v.nullable(v.string()),
  /** A line of the log that says that the build was failing already when it was stopped. */
  failure: v.nullable(v.string()),
  escalation: v.nullable(v.picklist(['SIGINT', 'SIGTERM', 'SIGKILL'])),
  killed: v.array(v.string()),
  removedFiles: v.array(v.string()),
  /** The command lines of each `configure` below make that was cut off. */
  unfinished: v.optional(v.array(v.string()), []),
  stoppedAt: v.string(),
  /** Where a script stood that can be resumed at a statement, for a person. */
  place: v.optional(v.nullable(v.string()), null),
});

/** What an interrupt that stopped a script leaves in the live directory, once the tree is tidy. */
export type StoppedFile = v.InferOutput<typeof stoppedSchema>;

/** `null` when no interrupt has stopped the script of this container. */
export async function readStopped(live: LivePaths): Promise<StoppedFile | null> {
  return existsSync(live.stopped) ? readRecord(live.stopped, stoppedSchema) : null;
}
