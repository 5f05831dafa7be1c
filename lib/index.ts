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
export { openStore, type SnapshotStore } from './snapshot/open-store.js';
export { Snapshot, type SnapshotEntry } from './snapshot/snapshot.js';
export type { SnapshotLayer } from './snapshot/snapshot-layer.js';
export type { SnapshotProgress } from './snapshot/progress.js';
export { saveSnapshot, type SaveOptions, type SavedSnapshot } from './snapshot/save.js';
export { packKept, type PackOptions, type PackResult } from './snapshot/pack.js';
export { restoreSnapshot, type RestoreOptions, type RestoredSnapshot } from './snapshot/restore.js';
export { dropSnapshots } from './snapshot/drop.js';
export { diffSnapshots, type DifferingField, type SnapshotDifference } from './snapshot/diff.js';
export { inspectSnapshot, type InspectedLayer, type InspectedSnapshot } from './snapshot/inspect.js';
export type { Growth } from './snapshot/growth.js';
export { verifyStore, type VerifyFinding, type VerifyOptions, type VerifyResult } from './snapshot/verify.js';
export { repairStore, type RepairResult } from './snapshot/repair.js';
export {
  pruneSnapshots,
  type PrunedSnapshots,
  type PruneLimits,
  type PruneOptions,
} from './snapshot/prune-snapshots.js';
export { exportSnapshots, type ExportOptions, type ExportedSnapshots } from './snapshot/export.js';
export { DEFAULT_PART_BYTES, type TransferProgress } from './snapshot/export-format.js';
export { importSnapshots, type ImportOptions } from './snapshot/import.js';
export type { AbsentBase, ImportedSnapshots } from './snapshot/take-in.js';
export { parseRemote, tagOf, type Remote } from './registry/remote.js';
export { pushSnapshot, type PushedSnapshot, type PushOptions } from './registry/push.js';
export { pullSnapshot, type PulledSnapshot, type PullOptions, type TagOutcome } from './registry/pull.js';
export { pruneRemote, type PrunedManifest, type RemotePruneOptions } from './registry/prune-remote.js';
export { forgetRemote, type Forgotten } from './registry/forget.js';
export { judgeSnapshot, requireTrusted, signedTreeDigest } from './snapshot/judge-snapshot.js';
export { judge, NO_POLICY, type Judgement, type SnapshotFacts, type Trust } from './trust/judge.js';
export { readPolicy, type Policy, type PolicyKey } from './trust/policy.js';
export { loadTrust, loadTrustOrNone, type TrustSource } from './trust/load-trust.js';
export {
  generateKey,
  parseVerifyingKey,
  readSigningKey,
  type GeneratedKey,
  type SigningKey,
  type VerifyingKey,
} from './trust/keys.js';
export { attest, DEFAULT_EXPIRY_MS, type SignedFacts, type Signing } from './trust/sign.js';
export { parseJobClass, isJobClass, type JobClass, type JobKind } from './trust/job-class.js';
export type { SnapshotPredicate, SnapshotStatement } from './trust/statement.js';
export { typeOf, sizeOf, printablePath, type Entry } from './rootfs/entry.js';
export { writeListing } from './rootfs/baseline.js';
export { removeTree } from './rootfs/move-tree.js';
export { listBuilding, type Building } from './container/building.js';
export {
  interrupt,
  DEFAULT_GRACE_MS,
  type InterruptOptions,
  type InterruptResult,
} from './container/interrupt.js';
export { runBuild, type RunOptions, type RunProgress } from './container/run.js';
export type { InterruptReason, RunResult } from './container/run-result.js';
export { CANCEL_GRACE_MS } from './container/stop/grace.js';
export {
  prove,
  DEFAULT_INTERRUPTIONS,
  DEFAULT_RUNS,
  type ProveOptions,
  type ProveProgress,
} from './prove/prove.js';
export { planBuild, type PlanOptions } from './plan/plan.js';
export type { Plan, PlannedBuild } from './plan/planned-build.js';
export { drawPlan } from './plan/picture.js';
export { readPlanFile } from './plan/read-plan.js';
export { planTree } from './plan/tree.js';
export { ciFiles, findStaleFiles, writeCiFiles, type CiOptions, type CiPlan } from './ci/files.js';
export type { CiFile, CiService } from './ci/settings.js';
export { divideIntoJobs, type CiJob, type JobBuild } from './ci/jobs.js';
export {
  judgeLeg,
  legPaths,
  planLeg,
  takeOver,
  type LegEnd,
  type LegPlan,
  type LegStart,
} from './leg/leg.js';
export { leaveExport } from './leg/leave-export.js';
export { gatherReport, type Report, type ReportOptions } from './report/report.js';
export {
  type FinishedBuild,
  type ReportedBuild,
  type ReportedDelta,
  type ReportedFolder,
  type ReportedLeg,
  type ReportedOutput,
  type ReportedSnapshot,
} from './report/reported.js';
export { readFinishedBuilds, readProofFile } from './report/read-files.js';
export { renderHtml } from './report/page.js';
export { renderMarkdown } from './report/markdown.js';
export { compareOutputs, type ComparedOutput } from './compare/compare-outputs.js';
export { readOutputs, type OutputSource, type ToldOutput } from './compare/read-outputs.js';
export type { ToldLeg } from './compare/told-leg.js';
export type { Interruption, ProvedRun, ProveReport, UninterruptedBuild, Verdict } from './prove/report.js';
export type { ExplainedDifference } from './prove/explain.js';
export type { FirstDifference } from './prove/first-difference.js';
export type { OutputDifference, OutputFile } from './prove/outputs.js';
export type { Moment, Passage } from './prove/plan.js';
export type { CurrentStatement, StatementPosition } from './prove/watch.js';
export { rewriteScript, type RewrittenScript } from './script/rewrite.js';
export type { ScriptUnits, Unit } from './script/units.js';
export { RunDirectory, type RunEvent } from './container/run-directory.js';
export { createContainer, type CreateOptions, type CreateResult } from './container/on-create.js';
export { exitContainer, type ExitOptions, type ExitResult } from './container/on-exit.js';
export type { Outcome } from './container/outcome.js';
export { findLeftovers, pruneLeftovers, type Leftover, type LeftoverLimits } from './container/prune.js';
export type { KeptRecord, LiveRecord, Leg, SnapshotRecord } from './store/record.js';
