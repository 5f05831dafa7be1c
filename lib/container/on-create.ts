import { existsSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import type { ProjectHash } from '../digest.js';
import { messageOf } from '../errors.js';
import { readIdMap } from '../id-map.js';
import { parseBuildDescription, projectHash, scriptsOf, type BuildDescription } from '../project-hash.js';
import { writeListing } from '../rootfs/baseline.js';
import { identifyOwner, listLive } from '../store/live.js';
import { storePaths, type LivePaths, type StorePaths } from '../store/paths.js';
import { RECORD_FORMAT, type LiveRecord, type ResumeMode } from '../store/record.js';
import { writeSealedAtomically } from '../store/sealed-json.js';
import { traceTo } from '../trace.js';
import { NO_POLICY, type Trust } from '../trust/judge.js';
import type { Remote } from '../registry/remote.js';
import { askRegistry } from './ask-registry.js';
import { holdBase } from './hold-base.js';
import { resume, type Resumed } from './resume.js';
import type { RunDirectory } from './run-directory.js';
import { namingIoFailures } from '../system-error.js';

const trace = traceTo('create');

export interface CreateOptions {
  /** Where the container has to stand, as an absolute path; its last component is the id of the container. */
  readonly container: string;
  /** The store's folder. */
  readonly store: string;
  /** The description of the build as JSON; without one nothing is resumed or kept. */
  readonly description: string | null;
  readonly mode: ResumeMode;
  /** Makes a clean container at {@link container}; resolves to its exit status. */
  readonly startClean: () => Promise<number>;
  /** Process id of the rbm that builds. */
  readonly ownerPid: number;
  readonly project: string;
  readonly workspace: string | null;
  /** The folder with the input files as the container will get them. What is kept is used only for the same content. */
  readonly inputsDir: string | null;
  readonly keepFailed: boolean;
  readonly run: RunDirectory | null;
  /** By what snapshots are judged. @default everything is taken */
  readonly trust?: Trust;
  /** A registry from which a snapshot is pulled when nothing is parked. @default none */
  readonly remote?: Remote | null;
  /** The machine or CI job, for whoever reads of this leg later, see `builderOf`. @default nobody says */
  readonly builder?: string | null;
}

export interface CreateResult {
  readonly how: 'resumed' | 'clean' | 'clean-path-failed' | 'interrupted';
  readonly hash: ProjectHash | null;
  /** What a person should know, one line each. */
  readonly notes: readonly string[];
}

/**
 * Makes the container of a build: from what is kept under its project hash, or clean. Trouble with what was kept never
 * fails a build: it is set aside, a note says why, and the build starts clean.
 */
export function createContainer(options: CreateOptions): Promise<CreateResult> {
  return namingIoFailures(`making the container of ${options.project}`, () => startContainer(options));
}

async function startContainer(options: CreateOptions): Promise<CreateResult> {
  const paths = storePaths(options.store);
  const id = basename(options.container);
  const live = paths.live(id);
  const notes: string[] = [];
  if (options.run !== null && (await options.run.isInterruptAsked())) {
    notes.push(`${options.project} is not started, since the run was interrupted`);
    return { how: 'interrupted', hash: null, notes };
  }
  await options.run?.addContainer(id, options.store);
  try {
    return await makeContainer(options, { paths, live, notes });
  } catch (error) {
    const line = `${options.project} can't be interrupted, nor will it be kept: ${messageOf(error)}`;
    await options.run?.giveUpContainer(id, line);
    throw error;
  }
}

async function makeContainer(
  options: CreateOptions,
  at: { readonly paths: StorePaths; readonly live: LivePaths; readonly notes: string[] },
): Promise<CreateResult> {
  const { paths, live, notes } = at;
  const id = basename(options.container);
  const description = readDescription(options, notes);
  const hash = description === null ? null : projectHash(description);
  trace('%s has the project hash %s', options.project, hash);
  const started = await describeStart(options, { description, hash });
  // Before anything else, so that prune and interrupt know whose container it is; a folder without a record is nobody's.
  await mkdir(live.dir, { recursive: true });
  await writeSealedAtomically(live.record, started);
  if (hash !== null) notes.push(...(await findLeftBehind(paths, { hash, id })));

  notes.push(...(await askRegistry(options, live, hash)));
  const kept = await resume(paths, started, { trust: options.trust ?? NO_POLICY, notes });
  if (kept === null) {
    const status = await options.startClean();
    if (status !== 0) {
      await rm(live.dir, { recursive: true });
      return { how: 'clean-path-failed', hash, notes };
    }
  } else {
    await seedFromKept(live, kept);
  }
  const baseline =
    kept?.baseline ?? (hash === null ? null : await recordBaseline(options.container, live, notes));
  await writeSealedAtomically(live.record, {
    ...started,
    legs: kept?.legs ?? [],
    resumed: kept !== null,
    baseline,
    image: kept === null ? await holdBase(live, hash === null ? null : options.inputsDir) : kept.image,
    snapshot: kept?.snapshot ?? null,
    endedBefore: kept?.endedScripts.length ?? 0,
    signer: kept?.signer ?? null,
  } satisfies LiveRecord);
  return { how: kept === null ? 'clean' : 'resumed', hash, notes };
}

async function describeStart(
  options: CreateOptions,
  build: { readonly description: BuildDescription | null; readonly hash: ProjectHash | null },
): Promise<LiveRecord> {
  const { description, hash } = build;
  return {
    format: RECORD_FORMAT,
    id: basename(options.container),
    container: options.container,
    mode: hash === null ? 'off' : options.mode,
    jobClass: options.trust?.jobClass ?? null,
    builder: options.builder ?? null,
    signer: null,
    keepFailed: options.keepFailed,
    project: options.project,
    step: description?.step ?? null,
    targets: description?.targets ?? [],
    version: description?.version ?? null,
    filename: description?.filename ?? null,
    hash,
    workspace: options.workspace,
    inputsDir: options.inputsDir,
    expectedScripts: description === null ? null : scriptsOf(description),
    idMap: await readIdMap(),
    legs: [],
    owner: await identifyOwner(options.ownerPid),
    startedAt: new Date().toISOString(),
    resumed: false,
    endedBefore: 0,
    baseline: null,
    image: null,
    snapshot: null,
  };
}

function readDescription(options: CreateOptions, notes: string[]): BuildDescription | null {
  if (options.description === null || options.mode === 'off') return null;
  try {
    return parseBuildDescription(options.description);
  } catch (error) {
    notes.push(`${messageOf(error)}; ${options.project} starts clean and will not be kept`);
    return null;
  }
}

/** The first leg's temporary folders and finished scripts go on in this one. */
async function seedFromKept(live: LivePaths, record: Resumed): Promise<void> {
  const lines = (values: readonly string[]) => values.map((value) => `${value}\n`).join('');
  await writeFile(live.tmpFolders, lines(record.tmpFolders));
  await writeFile(live.scripts, lines(record.endedScripts.map((name) => `${name} 0`)));
  await writeFile(live.resumed, '');
}

async function recordBaseline(
  container: string,
  live: LivePaths,
  notes: string[],
): Promise<LiveRecord['baseline']> {
  try {
    return await writeListing(container, live.baseline);
  } catch (error) {
    notes.push(`the container could not be listed, so all of it will count as changed: ${messageOf(error)}`);
    await rm(live.baseline, { force: true });
    return null;
  }
}

/** Containers of the same build whose rbm was killed: their state is not known, so nobody goes on in them. */
async function findLeftBehind(
  paths: StorePaths,
  self: { readonly hash: ProjectHash; readonly id: string },
): Promise<string[]> {
  const dead = (await listLive(paths)).filter(
    ({ id, record, isOwnerAlive }) => id !== self.id && record?.hash === self.hash && !isOwnerAlive,
  );
  return dead.map(
    ({ record, running }) =>
      `an earlier build of ${record?.project} was killed${running === null ? '' : ` during ${running}`}; ` +
      `what it left in ${record?.container} is not used (\`rbm-resume prune\` removes it)`,
  );
}

/** Leaves the notes where the shim and the build log find them. */
export async function leaveNotice(store: string, container: string, notes: readonly string[]): Promise<void> {
  const live = storePaths(store).live(basename(container));
  if (notes.length === 0 || !existsSync(live.dir)) return;
  await writeFile(live.notice, notes.map((note) => `rbm-resume: ${note}\n`).join(''));
}
