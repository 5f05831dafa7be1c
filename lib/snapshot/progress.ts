import type { LayerProgress } from '../layer/write.js';

/**
 * What is being done for a snapshot, and how far it has come. `bytes` are those of archives, uncompressed while they are
 * written or read for the first time; while `restoring`, `verifying` and `copying` those of blobs.
 */
export interface SnapshotProgress extends LayerProgress {
  readonly what: 'reading the base' | 'packing' | 'restoring' | 'checking' | 'copying' | 'verifying';
  /** Of how many bytes, where that is known. */
  readonly totalBytes: number | null;
}
