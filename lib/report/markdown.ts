import { markdownTable } from 'markdown-table';
import { summarizePlan } from '../plan/tree.js';
import { describeVerdict, describeWhole, HEAD, rowsOf, sentenceCase } from '../prove/describe-report.js';
import { visible } from './markup.js';
import type { Report } from './report.js';
import type { ReportedBuild, ReportedSnapshot } from './reported.js';
import { nameOfDelta, nameOfFolder } from './treemap.js';
import * as words from './words.js';

/** A summary of a job may have 1 MiB (GitHub), and nobody reads more rows of one build. */
const MOST_ROWS = 50;

/** Text in which nothing is Markdown or HTML; any ASCII punctuation may be escaped (CommonMark 0.31, 2.4). */
export const escapeMarkdown = (text: string): string =>
  // Between digits, as in a time or a version, some of them mean nothing.
  visible(text).replace(/(?<!\d(?=[-:.]\d))[\\`*_{}[\]()<>#+!|~&@:.$^="'-]/g, (letter) =>
    '<>&'.includes(letter) ? `&#${letter.codePointAt(0)};` : `\\${letter}`,
  );
const md = escapeMarkdown;

/** The report for the summary of a job; ends with an empty line, so that others can be appended. */
export function renderMarkdown(report: Report): string {
  const { builds, plan, proofs, outputs, troubles, project } = report;
  const missing = words.leftOut(report);
  const parts = [
    `## rbm-resume: ${project === null ? 'all projects' : md(project)}`,
    md(words.summarize(report)),
    ...section('Could not be read', troubles.slice(0, MOST_ROWS).map(item)),
    ...builds.flatMap(legTable),
    ...(plan === null ? [] : ['### Project graph', md(summarizePlan(plan)), todo(report)].filter(Boolean)),
    ...builds.flatMap(({ snapshot, ...build }) =>
      snapshot === null ? [] : deltaTable(words.titleOf({ ...build, snapshot }), snapshot),
    ),
    ...proofs.flatMap((proof) => [
      `### Proof: ${md(proof.project)}`,
      `${proof.verdict === 'equal' ? '✅' : '❌'} ${md(describeVerdict(proof))}`,
      ...(proof.runs.length === 0
        ? []
        : [table([HEAD.map(sentenceCase), ...rowsOf(proof).slice(0, MOST_ROWS)]), ...describeWhole(proof)]),
    ]),
    ...(outputs.length === 0
      ? []
      : [
          '### Outputs',
          table([
            ['Output', 'sha256', 'Built'],
            ...outputs.slice(0, MOST_ROWS).map((one) => [one.name, one.sha256, words.tellHowBuilt(one)]),
          ]),
          ...rest(outputs.length, 'outputs'),
        ]),
    ...section('Left out', missing.map(item)),
  ];
  return `${parts.join('\n\n')}\n\n`;
}

const item = (line: string): string => `- ${md(line)}`;

const section = (title: string, lines: readonly string[]): string[] =>
  lines.length === 0 ? [] : [`### ${title}`, lines.join('\n')];

const table = (rows: readonly (readonly string[])[]): string =>
  markdownTable(rows.map((row) => row.map((cell) => md(cell))));

const rest = (count: number, what: string): string[] =>
  count <= MOST_ROWS ? [] : [`${count - MOST_ROWS} more ${what} are not shown.`];

/** The newest legs: what is before them was in earlier summaries. */
function legTable(build: ReportedBuild): string[] {
  const { legs, state, hash } = build;
  const rows = legs
    .slice(-MOST_ROWS)
    .map((leg) => [
      String(leg.number),
      words.tellTime(leg.startedAt),
      words.tellTime(leg.endedAt),
      words.tellSeconds(leg.seconds),
      words.tellJob(leg),
      words.tellStop(leg),
      words.tellRedone(leg),
    ]);
  const head = ['Leg', 'From', 'To', 'Worked', 'Job', 'Interrupted', 'Again in the next leg'];
  return [
    `### Legs: ${md(words.titleOf(build))}`,
    md(`${words.STATES[state]}${hash === null ? '' : ` (${hash.slice(0, 16)})`}`),
    table([head, ...rows]),
    ...rest(legs.length, 'legs, older ones,'),
  ];
}

function todo({ plan }: Report): string {
  const open = plan?.builds.filter(({ state, isNeeded }) => state !== 'built' && isNeeded) ?? [];
  return [
    ...open.slice(0, MOST_ROWS).map(({ id, state }) => item(`${id}: ${state === 'kept' ? 'kept' : 'to do'}`)),
    ...(open.length > MOST_ROWS ? [`- ${open.length - MOST_ROWS} more`] : []),
  ].join('\n');
}

function deltaTable(title: string, snapshot: ReportedSnapshot): string[] {
  const rows = snapshot.deltas.slice(-MOST_ROWS).map((delta) => [
    nameOfDelta(delta),
    words.tellBytes(delta.size),
    delta.diffSize === null ? 'not recorded' : words.tellBytes(delta.diffSize),
    words
      .largestFolders(delta)
      .map((folder) => `${nameOfFolder(folder)} ${words.tellBytes(folder.bytes)}`)
      .join(', '),
  ]);
  return [
    `### Deltas: ${md(title)}`,
    md(`${words.tellSnapshot(snapshot)}.`),
    table([['Delta', 'In the store', 'Uncompressed', 'Largest folders, unpacked'], ...rows]),
    ...rest(snapshot.deltas.length, 'deltas, older ones,'),
  ];
}
