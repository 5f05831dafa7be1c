import { realpath } from 'node:fs/promises';
import type { Command } from 'commander';
import { compareOutputs, type ComparedOutput } from '../compare/compare-outputs.js';
import type { ToldLeg } from '../compare/told-leg.js';
import { readOutputs, type OutputSource, type ToldOutput } from '../compare/read-outputs.js';
import { EXIT, RbmResumeError } from '../errors.js';
import { fromBytes, printablePath, shownText } from '../rootfs/entry.js';
import { printJson, printLine, printTable } from './output.js';

export function registerCompare(program: Command): void {
  program
    .command('compare')
    .description('what several builders say of their outputs: which agree, which do not, which were resumed')
    .argument('<files...>', 'one for each builder: provenance, a list of sha256sum, or a folder of these')
    .option('--json', 'print as JSON')
    .action(async (files: string[], flags: { json?: true }) => {
      await refuseTwice(files);
      const sources = await Promise.all(files.map(readOutputs));
      const outputs = compareOutputs(sources);
      process.exitCode = exitStatusOf(outputs, files.length);
      if (flags.json) return printJson(toJson(sources, outputs));
      printTable(['OUTPUT', 'VERDICT', ...files], outputs.map(rowOf));
      printLine(summaryOf(outputs));
      legsOfDifferent(outputs, files).forEach(printLine);
    });
}

/** One builder always agrees with himself. @throws RbmResumeError `USAGE` */
async function refuseTwice(files: readonly string[]): Promise<void> {
  const known = new Set<string>();
  for (const file of files) {
    // What is not there is told when it is read.
    const path = await realpath(file).catch(() => null);
    if (path === null) continue;
    if (known.has(path))
      throw new RbmResumeError('USAGE', `${file} is given twice`, { hint: 'Give each builder once.' });
    known.add(path);
  }
}

/** The legs of a build stand once, however many outputs it has: `build` is their place among those of the source. */
function toJson(sources: readonly OutputSource[], outputs: readonly ComparedOutput[]): object {
  const builds = sources.map(({ outputs: all }) => [
    ...new Set([...all.values()].map(({ toldLegs }) => toldLegs).filter((legs) => legs.length > 0)),
  ]);
  return {
    sources: sources.map(({ source }, index) => ({
      source,
      builds: (builds[index] ?? []).map((legs) => ({ legs })),
    })),
    outputs: outputs.map(({ name, verdict, told }) => ({
      ...{ name, verdict },
      told: told.map((one, index) => {
        if (one === null) return null;
        const { sha256, resumed, legs, toldLegs } = one;
        const build = builds[index]?.indexOf(toldLegs) ?? -1;
        return { sha256, resumed, legs, build: build < 0 ? null : build };
      }),
    })),
  };
}

/** Where somebody has not built an output, or there is nobody to compare with, nothing is proved. */
function exitStatusOf(outputs: readonly ComparedOutput[], builders: number): number {
  if (outputs.some(({ verdict }) => verdict === 'different')) return EXIT.outputsDiffer;
  const isProved = builders > 1 && outputs.length > 0 && outputs.every(({ verdict }) => verdict === 'equal');
  return isProved ? EXIT.finished : EXIT.notProven;
}

const WORDS: Readonly<Record<ComparedOutput['verdict'], string>> = {
  equal: 'equal',
  different: 'DIFFERENT',
  lonely: 'not by all',
};

const rowOf = ({ name, verdict, told }: ComparedOutput): string[] => [
  tell(name),
  WORDS[verdict],
  ...told.map(cellOf),
];

function cellOf(told: ToldOutput | null): string {
  if (told === null) return '-';
  const how = told.resumed === null ? '' : told.resumed ? ` resumed, ${told.legs} legs` : ' in one go';
  return `${told.sha256.slice(0, 12)}${how}`;
}

/** Where the legs of what differs were stopped, and who ran them: that is asked next. */
function legsOfDifferent(outputs: readonly ComparedOutput[], files: readonly string[]): string[] {
  const different = outputs.filter(({ verdict }) => verdict === 'different');
  return different.flatMap(({ name, told }) =>
    told.flatMap((one, index) =>
      one?.resumed !== true
        ? []
        : one.toldLegs.map(
            (leg, number) => `${tell(name)}, ${files[index]}: leg ${number + 1} ${shownText(wordsOf(leg))}`,
          ),
    ),
  );
}

function wordsOf({ startedAt, endedAt, stoppedIn, place, builder }: ToldLeg): string {
  const span = endedAt === null ? `from ${startedAt}` : `from ${startedAt} to ${endedAt}`;
  const stop = stoppedIn === null ? '' : `, stopped in ${[stoppedIn, place].filter(Boolean).join(', ')}`;
  return `${span}${stop}${builder === null ? '' : `, by ${builder}`}`;
}

const tell = (text: string): string => printablePath(fromBytes(Buffer.from(text)));

function summaryOf(outputs: readonly ComparedOutput[]): string {
  const count = (verdict: ComparedOutput['verdict']) =>
    outputs.filter((output) => output.verdict === verdict).length;
  return `${count('equal')} equal, ${count('different')} different, ${count('lonely')} not built by all`;
}
