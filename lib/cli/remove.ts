import type { Command } from 'commander';
import type { ProjectHash } from '../digest.js';
import { RbmResumeError } from '../errors.js';
import { dropSnapshots } from '../snapshot/drop.js';
import { removeKept } from '../snapshot/kept.js';
import { chooseSnapshot, listSnapshots } from '../snapshot/open-store.js';
import { listKept } from '../snapshot/kept.js';
import { forgetInAllLedgers } from '../store/ledger.js';
import { withStoreLock } from '../store/lock.js';
import { storePaths } from '../store/paths.js';
import { findStore } from './find-store.js';
import { printJson, printLine } from './output.js';

export function registerRemove(program: Command): void {
  program
    .command('remove')
    .description('remove what is kept under a project hash: what is parked, and all snapshots')
    .argument('<hash...>', 'project hashes, or their first digits')
    .option('--json', 'print as JSON')
    .action(async (prefixes: string[], flags: { json?: true }, command: Command) => {
      const store = await findStore(command.optsWithGlobals<{ store?: string }>().store);
      const removed: ProjectHash[] = [];
      let snapshots = 0;
      for (const prefix of prefixes) {
        const one = await removeAll(store, prefix);
        removed.push(one.hash);
        snapshots += one.snapshots;
        if (flags.json) continue;
        const what = [one.isParked ? 'what was parked' : '', `${one.snapshots} snapshot(s)`];
        printLine(`removed ${one.hash} (${one.project}): ${what.filter(Boolean).join(', ')}`);
      }
      if (flags.json) printJson({ store, removed, snapshots });
    });
}

interface Removed {
  readonly hash: ProjectHash;
  readonly project: string;
  readonly isParked: boolean;
  readonly snapshots: number;
}

async function removeAll(store: string, prefix: string): Promise<Removed> {
  const paths = storePaths(store);
  const entries = (await listSnapshots(paths)).filter(({ hash }) => hash.startsWith(prefix));
  const parked = (await listKept(store)).filter(
    ({ hash, state }) => state === 'parked' && hash.startsWith(prefix),
  );
  const hashes = [...new Set([...entries, ...parked].map(({ hash }) => hash))];
  if (prefix !== '' && hashes.length > 1) {
    throw new RbmResumeError('AMBIGUOUS_HASH', `${hashes.length} project hashes begin with "${prefix}"`, {
      hint: `Give more digits: ${hashes.map((hash) => hash.slice(0, prefix.length + 8)).join(', ')}`,
    });
  }
  if (parked.length > 0 || entries.length === 0) {
    const { hash, record } = await removeKept(store, prefix);
    const project = record?.project ?? 'without a record';
    return { hash, project, isParked: true, snapshots: await dropSnapshots(paths, hash) };
  }
  const { hash, project } = chooseSnapshot(entries, prefix);
  const snapshots = await dropSnapshots(paths, hash);
  await withStoreLock(paths, () => forgetInAllLedgers(paths, hash));
  return { hash, project, isParked: false, snapshots };
}
