import { readFile } from 'node:fs/promises';
import * as v from 'valibot';
import { isProjectHash, type ProjectHash } from '../digest.js';
import { messageOf, RbmResumeError, systemErrorCode } from '../errors.js';
import { isSystemError, toIoFailure } from '../system-error.js';
import { parseSealed } from './sealed-json.js';

/** The number of the records' format; a record of another one is not read. */
export const RECORD_FORMAT = 1;

/** Ids of Linux have 32 bits. */
const id = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(2 ** 32 - 1));
const idRange = v.object({ first: id, count: id });
const idMap = v.object({ uid: id, gid: id, uids: idRange, gids: idRange });
const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
/** A name, a path, a statement of a script: nothing that would fill a log, or steer the terminal that shows it. */
const text = v.pipe(v.string(), v.maxLength(8192), v.regex(/^[\t\n\P{Cc}]*$/u, 'has control characters'));
/** Files may have any name. */
const fileName = v.pipe(v.string(), v.maxLength(8192));
const projectHash = v.custom<ProjectHash>((value) => typeof value === 'string' && isProjectHash(value));
const isoTime = v.pipe(v.string(), v.maxLength(40), v.isoTimestamp());

const MAX_LEGS = 1000;
/** Of one leg; nobody waits longer for one. */
const MAX_LEG_SECONDS = 366 * 24 * 3600;

/** The snapshot that a tree was equal to when its baseline was taken. */
const parent = v.object({ digest: text, generation: count });

/** Of which class the job was that made a snapshot, and whose key has signed that. */
const signer = v.object({ class: text, keyId: text });

const leg = v.object({
  startedAt: isoTime,
  endedAt: isoTime,
  /** How long it has worked; 0 where it was interrupted before any script of it had begun. */
  seconds: v.pipe(v.number(), v.minValue(0), v.maxValue(MAX_LEG_SECONDS)),
  /** What ended it: an interrupt while this script ran, or between two. */
  stoppedIn: v.nullable(text),
  /** Where in it: `in statement 14 of 22 (line 52): make -j8`. */
  place: v.optional(v.nullable(text), null),
  /** Of a script that stood at a statement: how it was divided, see `DIVISION` in lib/script/division.ts. */
  division: v.optional(v.nullable(count), null),
  /** How far the interrupt had to go. */
  escalation: v.nullable(v.picklist(['SIGINT', 'SIGTERM', 'SIGKILL'])),
  /** Files inside the container that a killed process was writing; they were removed. */
  removedFiles: v.pipe(v.array(fileName), v.maxLength(100_000)),
  /** Of which class the job was; not there or `null` where nobody said. */
  jobClass: v.optional(v.nullable(text)),
  /** The machine or CI job that it ran on, by its own account; not there or `null` where nobody said. */
  builder: v.optional(v.nullable(text)),
  /** The newest snapshot below the tree in which it began; not there or `null` where there was none. */
  from: v.optional(v.nullable(v.object({ ...parent.entries, signer: v.nullable(signer) }))),
});

const build = {
  format: v.literal(RECORD_FORMAT),
  project: text,
  step: v.nullable(text),
  targets: v.array(text),
  version: v.nullable(text),
  filename: v.nullable(text),
  workspace: v.nullable(text),
  /** The scripts that the build has, in the order in which rbm runs them; `null` when nobody said. */
  expectedScripts: v.nullable(v.array(text)),
  idMap,
  legs: v.pipe(v.array(leg), v.maxLength(MAX_LEGS)),
};

const baseline = v.object({ entries: count, bytes: count, xxh64: text });

/** The container image that a tree began with: its file's name, and what tells whether that file is still the same. */
const image = v.object({ name: text, identity: text });

const since0_2 = {
  image: v.optional(v.nullable(image), null),
  snapshot: v.optional(v.nullable(parent), null),
};

const keptSchema = v.object({
  ...build,
  ...since0_2,
  hash: projectHash,
  /** The container in which the last leg ran. */
  container: text,
  parkedAt: isoTime,
  /** boot_id of the kernel that parked it; see {@link KeptPaths.synced}. */
  bootId: text,
  /** Inode number of the tree's root, as text: a copy made by hand has another one. */
  inode: text,
  /** Of which class the job was that parked it; `null` where nobody said. */
  jobClass: v.optional(v.nullable(text), null),
  /** Whose the snapshot below it is. */
  signer: v.optional(v.nullable(signer)),
  tmpFolders: v.array(text),
  /** The content of each input file that the tree was made of; `null` when nobody said where they are. */
  inputs: v.nullable(v.record(fileName, fileName)),
  endedScripts: v.array(text),
  baseline: v.nullable(baseline),
  reason: text,
});

/** What of a parked tree's record holds on that one machine only. */
const LOCAL = [
  'workspace',
  'idMap',
  'container',
  'bootId',
  'inode',
  'jobClass',
  'signer',
  'baseline',
  'image',
  'snapshot',
] as const;

/**
 * What `var/resume` can be. `statement`: bash scripts are resumed at the statement in which they were interrupted.
 * `rerun`: scripts bear being run again from the top. `off`: only watched.
 */
export const RESUME_MODES = ['statement', 'rerun', 'off'] as const;
export type ResumeMode = (typeof RESUME_MODES)[number];

const liveSchema = v.object({
  ...build,
  ...since0_2,
  hash: v.nullable(projectHash),
  id: v.string(),
  container: v.string(),
  mode: v.picklist(RESUME_MODES),
  /** Of which class the job is that builds; `null` where nobody says. */
  jobClass: v.optional(v.nullable(v.string()), null),
  /** The machine or CI job, see `builderOf`. */
  builder: v.optional(v.nullable(v.string())),
  /** Whose snapshot it goes on in. */
  signer: v.optional(v.nullable(signer), null),
  keepFailed: v.boolean(),
  /**
   * The process that builds: rbm's. Its start time tells it from a later one with the same number, and the pid namespace
   * from one in another container of a CI service.
   */
  owner: v.object({
    pid: v.number(),
    startTime: v.nullable(v.string()),
    bootId: v.string(),
    pidNamespace: v.string(),
  }),
  /** Where rbm has put the input files together, for as long as it builds. */
  inputsDir: v.nullable(v.string()),
  startedAt: isoTime,
  resumed: v.boolean(),
  /** How many scripts had ended before, in the tree that it goes on in. */
  endedBefore: v.optional(count, 0),
  baseline: v.nullable(baseline),
});

/** What is known of a root filesystem that was kept. */
export type KeptRecord = v.InferOutput<typeof keptSchema>;
/** What is known of a container that is being built, from its creation to its end. */
export type LiveRecord = v.InferOutput<typeof liveSchema>;
/** What a snapshot knows of its build: all of a parked tree's record but what holds on that one machine only. */
export type SnapshotRecord = Omit<KeptRecord, (typeof LOCAL)[number]>;
/** One run of rbm on this build, between a start and an interrupt. */
export type Leg = v.InferOutput<typeof leg>;
/** The file that lists a tree right after it was made: how many entries, how long the file is, and its XXH64. */
export type BaselineSummary = v.InferOutput<typeof baseline>;

/** The seconds that all legs together have worked on a tree. */
export const workSeconds = (record: Pick<KeptRecord, 'legs'>): number =>
  record.legs.reduce((sum, { seconds }) => sum + seconds, 0);

/** @throws RbmResumeError `BAD_RECORD` when the file is missing, no JSON, or not of this format */
export const readKeptRecord = (path: string): Promise<KeptRecord> => readRecord(path, keptSchema);

/** @throws RbmResumeError `BAD_RECORD` */
export const readLiveRecord = (path: string): Promise<LiveRecord> => readRecord(path, liveSchema);

/** A snapshot's record from its JSON, or `null` when it is none. */
export function parseSnapshotRecord(text: string): SnapshotRecord | null {
  try {
    const result = v.safeParse(v.omit(keptSchema, LOCAL), JSON.parse(text));
    return result.success ? result.output : null;
  } catch {
    return null;
  }
}

/**
 * Reads a JSON file of a known shape, sealed or of a version that did not seal.
 * @throws RbmResumeError `BAD_RECORD`, which names the file and the first thing that is wrong with it; `IO_FAILED`
 */
export async function readRecord<S extends v.GenericSchema>(
  path: string,
  schema: S,
): Promise<v.InferOutput<S>> {
  let value: unknown;
  try {
    value = parseSealed(await readFile(path));
  } catch (cause) {
    // Of a disk that fails, or a limit that is met, nobody learns anything about the record.
    if (
      isSystemError(cause) &&
      !['ENOENT', 'ENOTDIR', 'EISDIR', 'ELOOP'].includes(systemErrorCode(cause) ?? '')
    )
      throw toIoFailure(cause, `reading ${path}`);
    throw badRecord(path, messageOf(cause), cause);
  }
  const result = v.safeParse(schema, value);
  if (result.success) return result.output;
  const [issue] = result.issues;
  throw badRecord(path, `${v.getDotPath(issue) ?? 'the whole'}: ${issue.message}`, undefined);
}

const badRecord = (path: string, what: string, cause: unknown): RbmResumeError =>
  new RbmResumeError('BAD_RECORD', `cannot use ${path}: ${what}`, {
    hint: 'What it describes is not used; `rbm-resume prune` removes what was set aside.',
    cause,
    fields: { path },
  });
