import type { Command } from 'commander';
import { findLeftovers, pruneLeftovers } from '../container/prune.js';
import { RbmResumeError } from '../errors.js';
import { pruneSnapshots, type PruneLimits } from '../snapshot/prune-snapshots.js';
import { findStore } from './find-store.js';
import { formatBytes, printJson, printLine, printNote } from './output.js';
import { parseSize } from './size.js';

interface PruneFlags {
  readonly keepDays?: string;
  readonly keepGenerations?: string;
  readonly maxBytes?: string;
  readonly dryRun?: true;
  readonly json?: true;
}

export function registerPrune(program: Command): void {
  program
    .command('prune')
    .description('remove what killed runs left behind, what was set aside, and snapshots beyond a limit')
    .option('--keep-days <n>', 'remove snapshots older than so many days')
    .option('--keep-generations <n>', 'keep only so many snapshots of each project hash, at least 1')
    .option('--max-bytes <size>', 'remove the oldest until the others take no more, such as 20G')
    .option('--dry-run', 'only say what would be removed')
    .option('--json', 'print as JSON')
    .action(async (flags: PruneFlags, command: Command) => {
      const store = await findStore(command.optsWithGlobals<{ store?: string }>().store);
      const limits = parseLimits(flags);
      const isDryRun = flags.dryRun ?? false;
      const leftovers = isDryRun ? await findLeftovers(store) : await pruneLeftovers(store);
      const { snapshots, inUse, blobs, bytes } = await pruneSnapshots(store, { ...limits, isDryRun });
      if (flags.json) {
        const toJson = ({ hash, generation, project, digest }: (typeof snapshots)[number]) => ({
          hash,
          generation,
          project,
          digest,
        });
        const lists = { snapshots: snapshots.map(toJson), inUse: inUse.map(toJson) };
        return printJson({ store, dryRun: isDryRun, leftovers, ...lists, blobs, bytes });
      }
      const removed = isDryRun ? 'would remove' : 'removed';
      leftovers.forEach(({ what, path }) => printLine(`${removed} ${what}: ${path}`));
      snapshots.forEach(({ hash, generation, project }) =>
        printLine(`${removed} snapshot: ${hash.slice(0, 16)}@${generation} (${project})`),
      );
      inUse.forEach(({ hash, generation }) =>
        printNote(`${hash.slice(0, 16)}@${generation} is in use and stays`),
      );
      if (blobs > 0) printLine(`${isDryRun ? 'would free' : 'freed'} ${formatBytes(bytes)} (${blobs} blobs)`);
      if (leftovers.length + snapshots.length + blobs === 0) printLine('nothing to remove');
    });
}

function parseLimits({ keepDays, keepGenerations, maxBytes }: PruneFlags): PruneLimits {
  return {
    ...(keepDays === undefined ? {} : { keepDays: parseCount('--keep-days', keepDays) }),
    ...(keepGenerations === undefined
      ? {}
      : { keepGenerations: parseCount('--keep-generations', keepGenerations) }),
    ...(maxBytes === undefined ? {} : { maxBytes: parseSize(maxBytes) }),
  };
}

function parseCount(option: string, text: string): number {
  if (/^\d{1,6}$/.test(text)) return Number(text);
  throw new RbmResumeError('USAGE', `${option} takes a number, not "${text}"`, { hint: 'Such as 7.' });
}
