import { markdownTable } from 'markdown-table';
import { EXIT } from '../errors.js';
import type { ExplainedDifference } from './explain.js';
import type { ProvedRun, ProveReport, Verdict } from './report.js';
import type { StatementPosition } from './watch.js';

export const HEAD = [
  'RUN',
  'THROUGH',
  'INTERRUPTED AFTER',
  'STATEMENTS REDONE',
  'COMPILATIONS REDONE',
  'CPU REDONE',
  'CPU FOR RESUMING',
  'OUTPUT',
] as const;

/** `CPU REDONE` as a heading in a text. */
export const sentenceCase = (word: string): string =>
  (word.charAt(0) + word.slice(1).toLowerCase()).replace(/\bcpu\b/i, 'CPU');

/** The runs as rows of a table. */
export const rowsOf = ({ runs, uninterrupted }: ProveReport): string[][] =>
  runs.map((run) => rowOf(run, uninterrupted?.cpuSeconds ?? null));

/** @param whole seconds that the uninterrupted build used */
function rowOf(run: ProvedRun, whole: number | null): string[] {
  const { interruptions, statementsRedone, compileCommandsRedone, redoneCpuSeconds, resumingCpuSeconds } =
    run;
  return [
    String(run.number),
    run.passage,
    interruptions
      .map(({ afterSeconds, statement }) => {
        return `${afterSeconds.toFixed(1)} s${statement === null ? '' : ` (${tellPosition(statement)})`}`;
      })
      .join(', ') || '-',
    orUnknown(statementsRedone),
    orUnknown(compileCommandsRedone),
    tellCpu(redoneCpuSeconds, whole),
    tellCpu(resumingCpuSeconds, whole),
    run.verdict,
  ];
}

/** Behind the last statement a script still writes its state, and its EXIT trap runs. */
const tellPosition = ({ index, of }: StatementPosition): string =>
  index > of ? `the end of its ${of} statements` : `statement ${index} of ${of}`;

function tellCpu(seconds: number | null, whole: number | null): string {
  if (seconds === null) return 'unknown';
  const share = whole === null || whole <= 0 ? '' : ` (${round((100 * seconds) / whole).toFixed(0)} %)`;
  return `${round(seconds, 10).toFixed(1)} s${share}`;
}

/** To so many parts; no zero gets a sign. */
const round = (value: number, parts = 1): number => Math.round(value * parts) / parts || 0;

/** What the shares in the table are shares of. */
export function describeWhole({ runs, uninterrupted }: ProveReport): string[] {
  const seconds = uninterrupted?.cpuSeconds ?? null;
  if (seconds === null || runs.length === 0) return [];
  return [`100 % are the ${seconds.toFixed(1)} s of processor time of the uninterrupted build.`];
}

const orUnknown = (value: number | null): string => (value === null ? 'unknown' : String(value));

const SENTENCES: Readonly<Record<Verdict, string>> = {
  equal: 'equal',
  different: 'DIFFERENT',
  failed: 'failed',
  'not-proven': 'not proven',
  cancelled: 'cancelled',
};

/** One line on a run, or on all of them. */
export function describeVerdict(of: ProvedRun | ProveReport): string {
  const remark = of.remark === null ? '' : `: ${of.remark}`;
  if (!('runs' in of)) {
    const first = of.differences[0];
    return `${SENTENCES[of.verdict]}${remark}${first === undefined ? '' : `: ${first.path}`}`;
  }
  const interruptions = of.runs.reduce((sum, run) => sum + run.interruptions.length, 0);
  const seed = `(seed ${of.seed})`;
  if (of.verdict === 'equal') {
    return `${of.project}: ${of.runs.length} builds with ${interruptions} interruptions gave the same bytes ${seed}`;
  }
  const where = of.workDir === null ? '' : `; see ${of.workDir}`;
  const also = of.isReproducible === null ? '' : `; ${of.isReproducible ? ALONE.equal : ALONE.different}`;
  return `${of.project}: ${SENTENCES[of.verdict]}${remark}${also}${where} ${seed}`;
}

/** What a second uninterrupted build says. */
const ALONE = {
  equal:
    'two uninterrupted builds were equal; whether they always are, `prove --interruptions 0 --runs 20` tells',
  different: 'two uninterrupted builds differ, too: it is not for the interruptions',
} as const;

/** Lines on a difference of a run's output. */
export function describeDifference(
  { path, what, first, lines }: ExplainedDifference,
  { plannedInterruptions }: Pick<ProvedRun, 'plannedInterruptions'>,
): string[] {
  const other = (plannedInterruptions === 0 ? 'built again:' : 'resumed:').padEnd('uninterrupted:'.length);
  const found = [`${path}: ${WORDS[what]}`];
  if (first !== null) {
    found[0] += `, from byte ${first.offset} on`;
    found.push(`  uninterrupted: ${first.a}`, `  ${other} ${first.b}`);
  }
  if (lines !== null) found.push(`  uninterrupted: ${lines[0]}`, `  ${other} ${lines[1]}`);
  return found;
}

const WORDS: Readonly<Record<ExplainedDifference['what'], string>> = {
  missing: 'only in the uninterrupted build',
  extra: 'only in the other build',
  type: 'of another type',
  content: 'other content',
  target: 'a link to something else',
  mode: 'may be run in one of them only',
  metadata: 'another mode, owner, size or time',
  packing: 'equal members, packed otherwise',
};

/** The report for a pull request, or the summary of a job. */
export function formatMarkdown(report: ProveReport): string {
  const { uninterrupted, runs, exitStatus } = report;
  const parts = [
    `### rbm-resume prove: ${report.project}`,
    `${exitStatus === EXIT.finished ? '✅' : '❌'} ${describeVerdict(report)}`,
    `\`${report.command.join(' ')}\``,
  ];
  if (runs.length > 0) {
    parts.push(markdownTable([HEAD.map(sentenceCase), ...rowsOf(report)]), ...describeWhole(report));
  }
  for (const { number, remark } of runs) if (remark !== null) parts.push(`Run ${number}: ${remark}.`);
  for (const run of runs) {
    if (run.differences.length === 0) continue;
    const text = run.differences.flatMap((one) => describeDifference(one, run)).join('\n');
    parts.push(`Run ${run.number} differs:`, fence(text));
  }
  const files = uninterrupted?.outputs.flatMap(({ path, sha256 }) =>
    sha256 === null ? [] : [`${sha256}  ${path}`],
  );
  if (files !== undefined && files.length > 0)
    parts.push('The uninterrupted build gave:', fence(files.join('\n')));
  return `${parts.join('\n\n')}\n\n`;
}

/** A block that nothing in the text can end. */
function fence(text: string): string {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([ticks]) => ticks.length));
  const ticks = '`'.repeat(longest + 1);
  return `${ticks}\n${text}\n${ticks}`;
}
