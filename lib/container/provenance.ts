import { lstat, mkdir, open, readdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { hexOf, isDigest } from '../digest.js';
import { systemErrorCode } from '../errors.js';
import { writeFileDurably } from '../store/atomic-write.js';
import { hashFile } from '../store/blobs.js';
import { workSeconds, type Leg, type LiveRecord } from '../store/record.js';
import { STATEMENT_TYPE } from '../trust/statement.js';
import { originOf } from './keep.js';
import { secondsFrom } from '../time.js';

export interface ProvenanceOptions {
  /** The file to write, or a folder, in which it is named after the output. */
  readonly to: string;
  /** Where rbm has put the output: a file, or a folder with files. */
  readonly output: string;
}

/** Source: SLSA v1.0, provenance.md. */
const PREDICATE_TYPE = 'https://slsa.dev/provenance/v1';
const BUILD_TYPE = 'urn:rbm-resume:build:v1';

/**
 * Writes what is known of how an output came about, as an unsigned in-toto statement with SLSA provenance: whether the build was
 * resumed, and of each leg when it ran and where, where it was stopped, of which class its job was, and from which snapshot it
 * began, signed by whom.
 * @returns the file that was written
 */
export async function writeProvenance(record: LiveRecord, options: ProvenanceOptions): Promise<string> {
  const { output, to } = options;
  const subject = await describeOutput(output);
  const file = (await isFolder(to)) ? join(to, `${basename(output)}.provenance.json`) : to;
  await mkdir(dirname(file), { recursive: true });
  const statement = {
    _type: STATEMENT_TYPE,
    subject,
    predicateType: PREDICATE_TYPE,
    predicate: describeBuild(record, new Date()),
  };
  await writeFileDurably(file, `${JSON.stringify(statement, null, 2)}\n`);
  return file;
}

function describeBuild(record: LiveRecord, ended: Date): Record<string, unknown> {
  const { project, step, targets, version, hash, resumed, jobClass } = record;
  const legs = [...record.legs, lastLegOf(record, ended)].map(describeLeg);
  return {
    buildDefinition: {
      buildType: BUILD_TYPE,
      externalParameters: { project, step, targets, version, projectHash: hash },
      internalParameters: {
        resumed,
        class: jobClass,
        earlierWorkSeconds: Math.round(workSeconds(record)),
        // The last of them has made the output.
        legs,
      },
      resolvedDependencies: dependenciesOf(String(hash), legs),
    },
    runDetails: {
      builder: { id: `urn:rbm-resume:class:${jobClass ?? 'none'}` },
      metadata: {
        invocationId: record.id,
        startedOn: record.startedAt,
        finishedOn: ended.toISOString(),
      },
    },
  };
}

type DescribedLeg = Omit<Leg, 'division' | 'escalation' | 'removedFiles'>;

/** The leg that has made the output. */
const lastLegOf = (record: LiveRecord, ended: Date): DescribedLeg => ({
  startedAt: record.startedAt,
  endedAt: ended.toISOString(),
  seconds: secondsFrom(record.startedAt, ended),
  stoppedIn: null,
  place: null,
  jobClass: record.jobClass,
  builder: record.builder,
  from: originOf(record),
});

/** What lib/compare/told-leg.ts reads. */
function describeLeg({ jobClass, builder, from = null, ...leg }: DescribedLeg) {
  const { startedAt, endedAt, seconds, stoppedIn, place } = leg;
  return {
    ...{ startedAt, endedAt, seconds, stoppedIn, place },
    ...{ class: jobClass ?? null, builder: builder ?? null },
    from: from && {
      digest: from.digest,
      generation: from.generation,
      class: from.signer?.class ?? null,
      signedBy: from.signer?.keyId ?? null,
    },
  };
}

/** Each snapshot that a leg began with, once. */
function dependenciesOf(
  hash: string,
  legs: readonly { readonly from: { readonly digest: string; readonly generation: number } | null }[],
): readonly object[] {
  const found = new Map<string, object>();
  for (const { from } of legs) {
    if (from === null || !isDigest(from.digest)) continue;
    const sha256 = hexOf(from.digest);
    found.set(sha256, { name: `${hash}@${from.generation}`, digest: { sha256 } });
  }
  return [...found.values()];
}

interface Subject {
  readonly name: string;
  readonly digest: { readonly sha256: string };
}

/** Every regular file of the output, by its path from the folder that the output lies in. */
async function describeOutput(output: string): Promise<Subject[]> {
  const found: Subject[] = [];
  const visit = async (path: string, name: string): Promise<void> => {
    const stats = await lstat(path);
    if (stats.isFile()) found.push({ name, digest: { sha256: await sha256Of(path) } });
    if (!stats.isDirectory()) return;
    for (const child of (await readdir(path)).sort()) await visit(join(path, child), `${name}/${child}`);
  };
  await visit(output, basename(output));
  return found;
}

async function sha256Of(path: string): Promise<string> {
  const handle = await open(path, 'r');
  try {
    return hexOf((await hashFile(handle)).digest);
  } finally {
    await handle.close();
  }
}

async function isFolder(path: string): Promise<boolean> {
  if (path.endsWith('/')) return true;
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return false;
    throw error;
  }
}
