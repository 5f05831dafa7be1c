import type { Leg } from '../store/record.js';

/** One run of rbm on a build, as far as it was written down. */
export interface ReportedLeg {
  /** From 1 on, by when it began. */
  readonly number: number;
  /** ISO 8601, UTC. */
  readonly startedAt: string;
  /** `null`: only when it began is written down. */
  readonly endedAt: string | null;
  /** How long it worked. */
  readonly seconds: number | null;
  /**
   * - `kept`: it was interrupted, and the next build goes on in what it left
   * - `finished`: it made the output
   * - `lost`: its work is not in what the next build goes on in
   */
  readonly fate: 'kept' | 'finished' | 'lost';
  /** The script that an interrupt ended, where one was running. */
  readonly stoppedIn: string | null;
  /** Where in it: `in statement 14 of 22 (line 52): make -j8`. */
  readonly place: string | null;
  /** How far the interrupt had to go. */
  readonly escalation: Leg['escalation'];
  /** Files that a killed process was writing: the next leg makes them anew. */
  readonly removedFiles: number;
  /** Of which class its job was; `null` where nobody said. */
  readonly jobClass: string | null;
  /** The machine or CI job that it ran on, by its own account; `null` where nobody said. */
  readonly builder: string | null;
  /** Whether it went on in what a leg before it had left; else it began clean. */
  readonly isResumed: boolean;
  /** The newest snapshot below the tree in which it began; `null` where there was none. */
  readonly from: {
    readonly generation: number;
    readonly digest: string;
    readonly signedBy: string | null;
  } | null;
}

/** A folder in a delta, without those of its folders that stand for themselves. */
export interface ReportedFolder {
  /** From the root of the container, printable. */
  readonly path: string;
  /** Bytes of its files, unpacked. */
  readonly bytes: number;
  readonly files: number;
  /** Whether folders in it are counted for themselves. */
  readonly isRest: boolean;
}

/** A layer of a snapshot, above the container image. */
export interface ReportedDelta {
  /** Number of the layer, see `InspectedLayer`. */
  readonly number: number;
  /** Bytes in the store: what is carried from machine to machine. */
  readonly size: number;
  /** Bytes of the archive, uncompressed. */
  readonly diffSize: number | null;
  /** How many legs had run when it was written. */
  readonly legs: number | null;
  /** Where its files lie; empty where that could not be read. */
  readonly folders: readonly ReportedFolder[];
}

/** The newest snapshot of a build. */
export interface ReportedSnapshot {
  readonly generation: number;
  readonly digest: string;
  /** When the tree was parked of which it was made. */
  readonly createdAt: string;
  /** Bytes of all its layers. */
  readonly size: number;
  /** Bytes of the container image, where that is a layer of its own. */
  readonly baseSize: number | null;
  readonly deltas: readonly ReportedDelta[];
}

/** All that is known of the legs of one build. */
export interface ReportedBuild {
  readonly project: string;
  readonly version: string | null;
  readonly step: string | null;
  readonly targets: readonly string[];
  readonly hash: string | null;
  /** In what the next build goes on; `finished`: there is none. */
  readonly state: 'parked' | 'snapshot' | 'set-aside' | 'finished';
  readonly legs: readonly ReportedLeg[];
  readonly snapshot: ReportedSnapshot | null;
}

/** An output of a build that has finished, as its provenance or a list of sums names it. */
export interface ReportedOutput {
  readonly name: string;
  readonly sha256: string;
  readonly resumed: boolean | null;
  readonly legs: number | null;
}

/** What one statement says of a build, and its outputs. */
export interface FinishedBuild {
  readonly outputs: readonly ReportedOutput[];
  /** `null` for a list of sums, or a statement of another program. */
  readonly build: ReportedBuild | null;
}

/** Legs by when they began. */
export const numberLegs = (legs: readonly ReportedLeg[]): ReportedLeg[] =>
  [...legs]
    .sort((a, b) => compareTexts(a.startedAt, b.startedAt) || compareTexts(a.endedAt ?? '', b.endedAt ?? ''))
    .map((leg, index) => ({ ...leg, number: index + 1 }));

/** The order of code units, which is the same on every machine. */
export const compareTexts = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
