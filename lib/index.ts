/**
 * rbm-resume as a library: every function returns data and prints nothing; what goes wrong is an {@link RbmResumeError}.
 * `DEBUG=rbm-resume:*` tells on standard error what happens and why.
 */
export { RbmResumeError, EXIT, ERROR_EXIT_STATUS, type ErrorCode, type ErrorDetails } from './errors.js';
export { parseProjectHash, isProjectHash, type ProjectHash } from './digest.js';
export { projectHash, parseBuildDescription, type BuildDescription } from './project-hash.js';
export {
  listKept,
  inspectKept,
  sizeOfKept,
  removeKept,
  restoreKept,
  type Kept,
  type KeptSize,
} from './snapshot/kept.js';
export { removeTree } from './rootfs/move-tree.js';
export { listBuilding, type Building } from './container/building.js';
export {
  interrupt,
  DEFAULT_GRACE_MS,
  type InterruptOptions,
  type InterruptResult,
} from './container/interrupt.js';
export {
  runBuild,
  CANCEL_GRACE_MS,
  type RunOptions,
  type RunProgress,
  type RunResult,
} from './container/run.js';
export { RunDirectory, type RunEvent } from './container/run-directory.js';
export { createContainer, type CreateOptions, type CreateResult } from './container/on-create.js';
export { exitContainer, type ExitOptions, type ExitResult } from './container/on-exit.js';
export type { Outcome } from './container/outcome.js';
export { findLeftovers, pruneLeftovers, type Leftover } from './container/prune.js';
export type { KeptRecord, LiveRecord, Leg } from './store/record.js';
