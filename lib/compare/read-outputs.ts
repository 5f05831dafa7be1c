import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import * as v from 'valibot';
import { RbmResumeError, systemErrorCode } from '../errors.js';
import { parseJson } from '../store/oci.js';
import { STATEMENT_TYPE } from '../trust/statement.js';
import { toldLegSchema, type ToldLeg } from './told-leg.js';

/** What one builder says of an output. */
export interface ToldOutput {
  /** As the statement names it: by its path from the folder that the output lies in. */
  readonly name: string;
  /** 64 hex digits. */
  readonly sha256: string;
  /** Whether its build had been interrupted and went on; `null` where nobody says. */
  readonly resumed: boolean | null;
  /** The runs of rbm that it took; `null` where nobody says. */
  readonly legs: number | null;
  /** When and where each of these ran, in their order; empty where nobody says. */
  readonly toldLegs: readonly ToldLeg[];
}

/** One builder's outputs, by name. */
export interface OutputSource {
  /** The file or folder as it was given. */
  readonly source: string;
  readonly outputs: ReadonlyMap<string, ToldOutput>;
}

const sha256 = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/, 'not a sha256'));

/** Of an in-toto statement all that is needed here; of the predicate what `var/resume_provenance` writes, where it is. */
const statementSchema = v.object({
  _type: v.literal(STATEMENT_TYPE),
  subject: v.array(v.object({ name: v.string(), digest: v.object({ sha256 }) })),
  predicate: v.optional(v.unknown()),
});

const buildSchema = v.object({
  buildDefinition: v.object({
    internalParameters: v.object({ resumed: v.boolean(), legs: v.union([v.array(v.unknown()), v.number()]) }),
  }),
});

/** A statement names each output in a hundred bytes. */
const MOST_BYTES = 64 << 20;
const PROVENANCE = /\.provenance\.json$|\.intoto\.json$/;
const SUMS = /^sha256sums?(?:[.-].*)?$|\.sha256(?:sums?)?$/i;

/**
 * Reads what a builder says of its outputs: an in-toto statement whose subjects they are (`*.provenance.json`), what
 * sha256sum(1) prints, or a folder with such files (`sha256sums*`, `*.sha256`), where each output may be named more than
 * once if always with the same digest.
 * @throws RbmResumeError `NO_SUCH_FILE`; `BAD_STATEMENT` for a file that is neither, or contradicts another one
 */
export async function readOutputs(source: string): Promise<OutputSource> {
  const outputs = new Map<string, ToldOutput>();
  for (const file of await listOutputFiles(source)) {
    for (const told of await readOutputFile(file)) {
      const known = outputs.get(told.name);
      if (known !== undefined && known.sha256 !== told.sha256)
        throw badStatement(file, `it says of ${told.name} ${told.sha256}, and another one ${known.sha256}`);
      // A list of sums knows nothing of the build.
      if (known === undefined || known.resumed === null) outputs.set(told.name, told);
    }
  }
  return { source, outputs };
}

/** The files of a source: itself, or those in the folder that it is. @throws RbmResumeError `NO_SUCH_FILE` */
export async function listOutputFiles(source: string): Promise<string[]> {
  const stats = await stat(source).catch((error: unknown) => {
    if (systemErrorCode(error) === 'ENOENT') throw noFile(source, 'is not there');
    throw error;
  });
  if (!stats.isDirectory()) return [source];
  const names = (await readdir(source)).filter((name) => PROVENANCE.test(name) || SUMS.test(name)).sort();
  if (names.length === 0) throw noFile(source, 'has no *.provenance.json, sha256sums* or *.sha256');
  return names.map((name) => join(source, name));
}

/** What one file says of outputs. @throws RbmResumeError `BAD_STATEMENT` */
export async function readOutputFile(file: string): Promise<ToldOutput[]> {
  const { size } = await stat(file);
  if (size > MOST_BYTES) throw badStatement(file, `it has ${size} bytes, and at most ${MOST_BYTES} are read`);
  const text = await readFile(file, 'utf8');
  return /^\s*\{/.test(text) || PROVENANCE.test(basename(file))
    ? readStatement(file, text)
    : readSums(file, text);
}

function readStatement(file: string, text: string): ToldOutput[] {
  const parsed = parseJson(statementSchema, text);
  if (!('value' in parsed)) throw badStatement(file, `it is no in-toto statement: ${parsed.problem}`);
  const { subject, predicate } = parsed.value;
  const build = v.safeParse(buildSchema, predicate);
  const { resumed, legs } = build.success
    ? build.output.buildDefinition.internalParameters
    : { resumed: null, legs: null };
  const told = v.safeParse(v.array(toldLegSchema), legs);
  return subject.map(({ name, digest }) => ({
    ...{ name, sha256: digest.sha256 },
    ...{ resumed, legs: Array.isArray(legs) ? legs.length : legs },
    toldLegs: told.success ? told.output : [],
  }));
}

/** Source: sha256sum(1): the digest, a space, a space or `*`, and the name; a backslash before where the name is escaped. */
const SUM = /^(\\?)([0-9a-f]{64}) [ *](.+)$/;
const ESCAPED: Readonly<Record<string, string>> = { '\\\\': '\\', '\\n': '\n', '\\r': '\r' };

function readSums(file: string, text: string): ToldOutput[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line, number) => {
      const [, escape, digest = '', name = ''] = SUM.exec(line) ?? [];
      if (name === '') throw badStatement(file, `its line ${number + 1} is not one of sha256sum's`);
      const plain = escape === '' ? name : name.replace(/\\[\\nr]/g, (pair) => ESCAPED[pair] ?? pair);
      return { name: plain.replace(/^\.\//, ''), sha256: digest, resumed: null, legs: null, toldLegs: [] };
    });
}

const noFile = (source: string, what: string): RbmResumeError =>
  new RbmResumeError('NO_SUCH_FILE', `${source} ${what}`, {
    hint: 'Name what builders publish: the provenance that `var/resume_provenance` writes, or the output of sha256sum.',
    fields: { path: source },
  });

const badStatement = (file: string, what: string): RbmResumeError =>
  new RbmResumeError('BAD_STATEMENT', `${file} can't be used: ${what}`, {
    hint: 'Fetch it again from whoever has published it.',
    fields: { path: file },
  });
