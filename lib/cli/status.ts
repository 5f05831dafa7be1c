import type { Command } from 'commander';
import { listBuilding, type Place } from '../container/building.js';
import { findLeftovers } from '../container/prune.js';
import { findStore } from './find-store.js';
import { formatAge, printJson, printLine, printTable } from './output.js';

const describePlace = ({ text, since, progress }: Place): string =>
  `${text}${progress === null ? '' : ` ${progress}`}, for ${formatAge(since.toISOString())}`;

export function registerStatus(program: Command): void {
  program
    .command('status')
    .description('what is being built now, and what killed runs left behind')
    .option('--json', 'print as JSON')
    .action(async (flags: { json?: true }, command: Command) => {
      const store = await findStore(command.optsWithGlobals<{ store?: string }>().store);
      const building = await listBuilding(store);
      const leftovers = await findLeftovers(store);
      if (flags.json) return printJson({ store, building, leftovers });
      if (building.length === 0) printLine('nothing is being built');
      else {
        printTable(
          ['CONTAINER', 'PROJECT', 'HASH', 'FOR', 'LEG', 'SCRIPT', 'AT'],
          building.map(({ id, record, running, place }) => [
            id.slice(0, 12),
            record.project,
            record.hash?.slice(0, 12) ?? '(not kept)',
            formatAge(record.startedAt),
            String(record.legs.length + 1),
            running ?? '-',
            place === null ? '-' : describePlace(place),
          ]),
        );
      }
      if (leftovers.length > 0) {
        printLine('');
        printLine('Nobody uses these any more; `rbm-resume prune` removes them:');
        leftovers.forEach(({ what, path, project }) =>
          printLine(`  ${what}${project === null ? '' : ` of ${project}`}: ${path}`),
        );
      }
    });
}
