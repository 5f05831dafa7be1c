import { resolve } from 'node:path';
import type { Command } from 'commander';
import { RbmResumeError } from '../errors.js';
import { restoreKept } from '../snapshot/kept.js';
import { openStore } from '../snapshot/open-store.js';
import { restoreTrusted } from '../snapshot/restore.js';
import type { Snapshot } from '../snapshot/snapshot.js';
import { findStore } from './find-store.js';
import { printJson, printLine } from './output.js';
import { findTrust, withTrustFlags, type TrustFlags } from './trust-flags.js';
import { withProgress } from './progress.js';

interface RestoreFlags extends TrustFlags {
  readonly base?: string;
  readonly json?: true;
}

export function registerRestore(program: Command): void {
  const restore = program
    .command('restore')
    .description('restore a snapshot, or where there is none a copy of what is parked, to a new directory')
    .argument('<hash>', 'the first digits of a project hash, with @GENERATION for an older one')
    .argument('<dir>', 'a directory that is empty or does not exist')
    .option('--base <file>', 'the container image, for a snapshot that was stored without it')
    .option('--json', 'print as JSON');
  withTrustFlags(restore).action(
    async (name: string, argument: string, ...[flags, command]: [RestoreFlags, Command]) => {
      const store = await findStore(command.optsWithGlobals<{ store?: string }>().store);
      const dir = resolve(argument);
      const snapshot = await openUnlessParkedOnly(store, name);
      if (snapshot === null) {
        const { hash } = await restoreKept(store, name, dir);
        if (flags.json) return printJson({ store, hash, generation: null, dir, entries: null });
        return printLine(`copied what is parked under ${hash} to ${dir}`);
      }
      const base = flags.base === undefined ? null : resolve(flags.base);
      const trust = await findTrust(flags, store);
      const { entries } = await withProgress((onProgress) =>
        restoreTrusted(snapshot, { dir, base, trust, onProgress }),
      );
      const { hash, generation } = snapshot;
      if (flags.json) return printJson({ store, hash, generation, dir, entries });
      printLine(
        `restored ${hash.slice(0, 16)}@${generation} (${snapshot.entry.project}) to ${dir}: ${entries} entries`,
      );
    },
  );
}

/** @throws RbmResumeError as `SnapshotStore.open`; only that there is no snapshot at all is `null` */
async function openUnlessParkedOnly(store: string, name: string): Promise<Snapshot | null> {
  try {
    return await openStore(store).open(name);
  } catch (error) {
    const isMissing = error instanceof RbmResumeError && error.code === 'NO_SUCH_SNAPSHOT';
    if (isMissing && !name.includes('@')) return null;
    throw error;
  }
}
