import type { Command } from 'commander';
import { findLeftovers, pruneLeftovers } from '../container/prune.js';
import { RbmResumeError } from '../errors.js';
import { pruneSnapshots, type PruneLimits } from '../snapshot/prune-snapshots.js';
import { findStore } from './find-store.js';
import { formatBytes, printJson, printLine, printNote } from './output.js';
import { pruneRemotely } from './prune-remote.js';
import { withRemoteFlags, type RemoteFlags } from './remote-flags.js';
import { parseSize } from './size.js';

interface PruneFlags extends RemoteFlags {
  readonly remote?: string;
  readonly keepDays?: string;
  readonly keepGenerations?: string;
  readonly maxBytes?: string;
  readonly dryRun?: true;
  readonly json?: true;
}

export function registerPrune(program: Command): void {
  const prune = program
    .command('prune')
    .description('remove what killed runs left behind, what was set aside, and snapshots beyond a limit')
    .option(
      '--keep-days <n>',
      'remove snapshots older than so many days, and copies of a damaged index (without: 30)',
    )
    .option('--keep-generations <n>', 'keep only so many snapshots of each project hash, at least 1')
    .option('--max-bytes <size>', 'remove the oldest until the others take no more, such as 20G')
    .option('--dry-run', 'only say what would be removed')
    .option(
      '--remote <url>',
      'of an OCI registry instead: old snapshots, and those that no tag names any more',
    )
    .option('--json', 'print as JSON');
  withRemoteFlags(prune).action(async (flags: PruneFlags, command: Command) => {
    if (flags.remote !== undefined) return pruneRemotely(flags.remote, flags, remoteLimits(flags));
    const store = await findStore(command.optsWithGlobals<{ store?: string }>().store);
    const limits = parseLimits(flags);
    const isDryRun = flags.dryRun ?? false;
    const leftovers = isDryRun ? await findLeftovers(store, limits) : await pruneLeftovers(store, limits);
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

/** A registry has one snapshot of each hash and class, and does not tell what it has room for. */
function remoteLimits({ keepDays, keepGenerations, maxBytes, dryRun }: PruneFlags) {
  if (keepGenerations !== undefined || maxBytes !== undefined) {
    throw new RbmResumeError('USAGE', '--keep-generations and --max-bytes are for a store', {
      hint: 'A registry has one snapshot of each hash and class: --keep-days.',
    });
  }
  const isDryRun = dryRun ?? false;
  return keepDays === undefined ? { isDryRun } : { isDryRun, keepDays: parseCount('--keep-days', keepDays) };
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
