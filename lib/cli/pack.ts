import type { Command } from 'commander';
import type { ProjectHash } from '../digest.js';
import { RbmResumeError } from '../errors.js';
import type { Signing } from '../trust/sign.js';
import { inspectKept, listKept } from '../snapshot/kept.js';
import { findStore } from './find-store.js';
import { printJson, printLine, printNote, reportError } from './output.js';
import {
  findTrustOrNone,
  readSigning,
  withSigningFlags,
  withTrustFlags,
  type SigningFlags,
  type TrustFlags,
} from './trust-flags.js';
import { packWithProgress, printPack, type PackReport } from './pack-all.js';

interface PackFlags extends SigningFlags {
  readonly all?: true;
  readonly gzip?: true;
  readonly withoutBase?: true;
  readonly json?: true;
}

export function registerPack(program: Command): void {
  const pack = program
    .command('pack')
    .description('make portable snapshots of what is parked')
    .argument('[hash...]', 'project hashes, or their first digits')
    .option('--all', 'everything that is parked')
    .option('--gzip', 'for tools that cannot read zstd; slower and larger')
    .option('--without-base', 'leave the container image out: whoever restores has to bring the same')
    .option('--json', 'print as JSON');
  withTrustFlags(withSigningFlags(pack)).action(
    async (names: string[], flags: PackFlags, command: Command) => {
      const signing = await readSigning(flags);
      const store = await findStore(command.optsWithGlobals<{ store?: string }>().store);
      const hashes = await chooseHashes(store, names, flags.all ?? false);
      const options = await packOptions(flags, store, signing);
      const packed: PackReport[] = [];
      const failures: unknown[] = [];
      for (const hash of hashes) {
        try {
          const report = await packWithProgress(store, hash, options);
          packed.push(report);
          if (!flags.json) printPack(report);
        } catch (error) {
          if (flags.all && error instanceof RbmResumeError && error.code === 'OTHER_CLASS') {
            printNote(error.message);
            continue;
          }
          // One that can't be packed must not cost the others.
          failures.push(error);
          if (!flags.json && failures.length > 1) reportError(error, { json: false });
        }
      }
      if (failures.length > 0) throw failures[0];
      if (flags.json) printJson({ store, packed });
      else if (hashes.length === 0) printLine('nothing is parked');
    },
  );
}

/** What the flags mean for packing into a store, by whoever signs. */
export const packOptions = async (
  flags: TrustFlags & { readonly gzip?: true; readonly withoutBase?: true },
  store: string,
  signing: Signing | null,
) => ({
  compression: flags.gzip ? ('gzip' as const) : ('zstd' as const),
  withoutBase: flags.withoutBase ?? false,
  trust: await findTrustOrNone(flags, store),
  ...(signing === null ? {} : { signing }),
});

async function chooseHashes(store: string, names: readonly string[], all: boolean): Promise<ProjectHash[]> {
  if (all !== (names.length === 0)) {
    throw new RbmResumeError('USAGE', 'say what to pack', {
      hint: 'Either project hashes or --all; `rbm-resume list` prints what is parked.',
    });
  }
  if (all) return (await listKept(store)).flatMap(({ hash, state }) => (state === 'parked' ? [hash] : []));
  const hashes = [];
  for (const name of names) hashes.push((await inspectKept(store, name)).hash);
  return [...new Set(hashes)];
}
