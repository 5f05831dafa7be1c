import { pruneRemote, type PrunedManifest } from '../registry/prune-remote.js';
import { printJson, printLine } from './output.js';
import { remoteOf, type RemoteFlags } from './remote-flags.js';

const WHY: Readonly<Record<PrunedManifest['why'], string>> = {
  old: 'snapshot',
  superseded: 'snapshot that no tag names any more',
  orphaned: 'attestation and listings of a snapshot that is gone',
};

/** `prune --remote`. */
export async function pruneRemotely(
  url: string,
  flags: RemoteFlags & { readonly json?: true },
  options: { readonly keepDays?: number; readonly isDryRun: boolean },
): Promise<void> {
  const { isDryRun } = options;
  const pruned = await pruneRemote(remoteOf(url, flags), options);
  if (flags.json) return printJson({ remote: url, dryRun: isDryRun, pruned });
  for (const { why, digest, hash, jobClass } of pruned) {
    const of = hash === null ? '' : ` of ${hash.slice(0, 16)} (${jobClass ?? 'no class'})`;
    printLine(`${isDryRun ? 'would remove' : 'removed'} ${WHY[why]}${of}: ${digest}`);
  }
  if (pruned.length === 0) printLine('nothing to remove');
}
