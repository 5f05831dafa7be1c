import type { Command } from 'commander';
import { explainScript, type ExplainedScript, type ExplainedUnit } from '../script/explain.js';
import { printJson, printLine, printNote } from './output.js';
import { readNamedScript } from './rendered-script.js';

/** Adds the verb `explain` to the command. */
export function registerExplain(program: Command): void {
  program
    .command('explain')
    .description('what a resumed build would do with a build script: its units, and what endangers a restart')
    .usage('[options] PROJECT-OR-FILE [-- ./rbm/rbm build OPTION...]')
    .argument('<what>', 'a file, read as it is; or a project of this workspace, whose script rbm renders')
    .argument(
      '[command...]',
      'the rbm command to render it with (default: $RBM, else rbm/rbm of the workspace), --step for another script',
    )
    .option('--json', 'print as JSON')
    .action(async (what: string, command: string[], flags: { json?: true }) => {
      const { source, tags } = await readNamedScript(what, command);
      const explained = await explainScript(source);
      if (flags.json) return printJson({ what, tags, ...explained });
      if (tags > 0) {
        printNote(
          `${what} is a template with ${tags} tags, which were taken out; name the project to see what rbm makes of it`,
        );
      }
      formatExplanation(what, explained).forEach(printLine);
    });
}

/** The lines for a person. */
export function formatExplanation(what: string, explained: ExplainedScript): string[] {
  if (explained.how === 'as-it-is') {
    return [
      `${what} would run as it is: ${explained.reason}`,
      'A build that is interrupted in it keeps nothing and starts clean.',
    ];
  }
  const { count, units, hazards } = explained;
  const [idWidth, lineWidth] = [
    Math.max(...units.map(({ id }) => id.length), 4),
    Math.max(...units.map((unit) => linesOf(unit).length), 5),
  ];
  return [
    `${what}: ${count} statements, ${units.length} units`,
    '',
    `${'unit'.padEnd(idWidth)}  ${'lines'.padEnd(lineWidth)}`,
    ...units.flatMap((unit) => {
      const indent = '  '.repeat(unit.depth);
      const mark = unit.heldBecause !== null ? '|' : unit.onInterrupt === 'at-once' ? '!' : ' ';
      const head = `${unit.id.padEnd(idWidth)}  ${linesOf(unit).padEnd(lineWidth)} ${mark} ${indent}`;
      const margin = ' '.repeat(head.length);
      return [
        `${head}${unit.text}`,
        ...(unit.heldBecause === null ? [] : [`${margin}  (with the unit before: ${unit.heldBecause})`]),
        ...(unit.wholeBecause === null ? [] : [`${margin}  (one unit: ${unit.wholeBecause})`]),
      ];
    }),
    '',
    '! is interrupted at once, and goes on from what is there; any other unit is given time to end first',
    ...(units.some(({ heldBecause }) => heldBecause !== null)
      ? ['| no state is kept before it: it begins again with the last unit in front of it that has no |']
      : []),
    '',
    ...(hazards.length === 0
      ? ['Nothing in it is known to endanger a restart.']
      : [
          `${hazards.length === 1 ? '1 thing endangers' : `${hazards.length} things endanger`} a restart:`,
          ...hazards.map(({ line, what, message }) => `line ${line}: ${what}: ${message}`),
        ]),
  ];
}

const linesOf = ({ line, endLine }: ExplainedUnit): string =>
  line === endLine ? `${line}` : `${line}-${endLine}`;
