import { readFile } from 'node:fs/promises';
import * as v from 'valibot';
import { listOutputFiles, readOutputFile, type ToldOutput } from '../compare/read-outputs.js';
import { toldLegSchema } from '../compare/told-leg.js';
import type { ProveReport } from '../prove/report.js';
import { readJsonFile } from '../store/json-file.js';
import { parseJson } from '../store/oci.js';
import {
  numberLegs,
  type FinishedBuild,
  type ReportedBuild,
  type ReportedLeg,
  type ReportedOutput,
} from './reported.js';
import { secondsFrom } from '../time.js';

const isoTime = v.pipe(v.string(), v.maxLength(40), v.isoTimestamp());
const texts = v.array(v.string());
const amount = v.pipe(v.number(), v.finite(), v.minValue(0));

const verdict = v.picklist(['equal', 'different', 'failed', 'not-proven', 'cancelled']);
const perhaps = v.nullable(v.pipe(v.number(), v.finite()));
const outputFile = v.looseObject({ path: v.string(), sha256: v.nullable(v.string()) });
const provedRun = v.looseObject({
  number: v.number(),
  passage: v.picklist(['none', 'parking', 'snapshots']),
  verdict,
  remark: v.nullable(v.string()),
  plannedInterruptions: v.number(),
  interruptions: v.array(
    v.object({
      afterSeconds: v.number(),
      statement: v.nullable(v.object({ index: v.number(), of: v.number() })),
    }),
  ),
  scriptSeconds: v.number(),
  statementsRedone: perhaps,
  compileCommandsRedone: perhaps,
  redoneCpuSeconds: v.optional(perhaps, null),
  resumingCpuSeconds: v.optional(perhaps, null),
  differences: v.array(
    v.looseObject({
      path: v.string(),
      what: v.picklist(['missing', 'extra', 'type', 'content', 'target', 'mode', 'metadata', 'packing']),
    }),
  ),
});
const proofSchema = v.looseObject({
  project: v.string(),
  command: texts,
  seed: v.number(),
  verdict,
  remark: v.nullable(v.string()),
  uninterrupted: v.nullable(
    v.looseObject({
      scriptSeconds: v.number(),
      cpuSeconds: v.optional(perhaps, null),
      outputs: v.array(outputFile),
    }),
  ),
  runs: v.array(provedRun),
  isReproducible: v.nullable(v.boolean()),
  workDir: v.nullable(v.string()),
  exitStatus: v.number(),
});

/** Of a statement's predicate what `var/resume_provenance` writes (lib/container/provenance.ts). */
const finishedSchema = v.object({
  predicate: v.object({
    buildDefinition: v.object({
      externalParameters: v.object({
        project: v.string(),
        step: v.nullable(v.string()),
        targets: texts,
        version: v.nullable(v.string()),
        projectHash: v.nullable(v.string()),
      }),
      internalParameters: v.object({
        resumed: v.boolean(),
        earlierWorkSeconds: amount,
        legs: v.array(
          v.object({
            ...toldLegSchema.entries,
            class: v.nullable(v.string()),
            from: v.nullable(
              v.object({
                digest: v.string(),
                generation: amount,
                class: v.nullable(v.string()),
                signedBy: v.nullable(v.string()),
              }),
            ),
          }),
        ),
      }),
    }),
    runDetails: v.object({ metadata: v.object({ finishedOn: isoTime }) }),
  }),
});

/** What `prove --json` has printed. @throws RbmResumeError `NO_SUCH_FILE`, `BAD_STATEMENT` */
export const readProofFile = async (file: string): Promise<ProveReport> =>
  // What is shown of it has been looked at; the rest is as it was written.
  (await readJsonFile(file, {
    schema: proofSchema,
    what: 'no output of `rbm-resume prove --json`',
  })) as unknown as ProveReport;

/**
 * What is published of finished builds: provenance, lists of sums, or a folder of these.
 * @throws RbmResumeError `NO_SUCH_FILE`, `BAD_STATEMENT`
 */
export async function readFinishedBuilds(source: string): Promise<FinishedBuild[]> {
  const found: FinishedBuild[] = [];
  for (const file of await listOutputFiles(source)) {
    const outputs = await readOutputFile(file);
    const parsed = parseJson(finishedSchema, await readFile(file, 'utf8'));
    found.push({
      outputs: outputs.map(reportedOutput),
      build: 'value' in parsed ? finishedBuild(parsed.value) : null,
    });
  }
  return found;
}

const reportedOutput = ({ name, sha256, resumed, legs }: ToldOutput): ReportedOutput => ({
  ...{ name, sha256, resumed, legs },
});

function finishedBuild({ predicate }: v.InferOutput<typeof finishedSchema>): ReportedBuild {
  const { externalParameters, internalParameters } = predicate.buildDefinition;
  const { project, step, targets, version, projectHash: hash } = externalParameters;
  const { finishedOn } = predicate.runDetails.metadata;
  const { legs } = internalParameters;
  const last = legs.length - 1;
  return {
    ...{ project, version, step, targets, hash, state: 'finished', snapshot: null },
    legs: numberLegs(
      legs.map(({ startedAt, class: jobClass, from, ...leg }, index): ReportedLeg => {
        const isLast = index === last;
        const seconds = secondsFrom(startedAt, new Date(finishedOn));
        // Earlier versions told of each leg only when it began, and of the build when it ended.
        const { endedAt = null, stoppedIn = null, place = null, builder = null } = leg;
        return {
          ...{ number: 0, startedAt, jobClass, builder, stoppedIn, place, escalation: null },
          ...{ removedFiles: 0, isResumed: index > 0 },
          endedAt: endedAt ?? (isLast ? finishedOn : null),
          seconds: leg.seconds ?? (isLast && Number.isFinite(seconds) ? seconds : null),
          fate: isLast ? 'finished' : 'kept',
          from: from && {
            generation: from.generation,
            digest: from.digest,
            signedBy: from.signedBy === null ? null : `${from.class ?? 'no class'}, key ${from.signedBy}`,
          },
        };
      }),
    ),
  };
}
