import type { Command } from 'commander';
import { EXIT, RbmResumeError } from '../errors.js';
import { findHashes, pullSnapshot, type PulledSnapshot, type TagOutcome } from '../registry/pull.js';
import { findStore } from './find-store.js';
import { REASON } from './import.js';
import { formatBytes, printJson, printLine } from './output.js';
import { remoteOf, withRemoteFlags, type RemoteFlags } from './remote-flags.js';
import { describeSnapshot, plain, toJson } from './transfer.js';
import { findTrust, withTrustFlags, type TrustFlags } from './trust-flags.js';

interface PullFlags extends RemoteFlags, TrustFlags {
  readonly all?: true;
  readonly base?: string;
  readonly json?: true;
}

export function registerPull(program: Command): void {
  const command = program
    .command('pull')
    .description('take snapshots from an OCI registry into the store')
    .argument('<remote>', 'a repository, such as oci://ghcr.io/namecoin/rbm-resume')
    .argument('[hash...]', 'project hashes, or their first digits')
    .option('--all', 'every hash that the registry has for jobs of this class')
    .option('--base <file>', 'the container image: if it is that of the snapshot, it does not travel')
    .option('--json', 'print as JSON');
  withTrustFlags(withRemoteFlags(command)).action(async (url: string, names: string[], flags: PullFlags) => {
    if ((flags.all ?? false) !== (names.length === 0)) {
      throw new RbmResumeError('USAGE', 'say what to pull', { hint: 'Either project hashes or --all.' });
    }
    const store = await findStore(command.optsWithGlobals<{ store?: string }>().store);
    const trust = await findTrust(flags, store);
    const remote = remoteOf(url, flags);
    const pulled: PulledSnapshot[] = [];
    for (const hash of await findHashes(names, { remote, trust })) {
      const one = await pullSnapshot(store, hash, { remote, trust, base: flags.base ?? null });
      pulled.push(one);
      if (!flags.json) one.tags.flatMap(describeTag).forEach(printLine);
    }
    if (flags.json) printJson({ store, remote: url, pulled: pulled.map(pullToJson) });
    process.exitCode = statusOf(pulled);
    if (!flags.json && pulled.length === 0) printLine('the registry has nothing for jobs of this class');
  });
}

/** Damage is told by the exit status, where nothing else was found for a hash. */
function statusOf(pulled: readonly PulledSnapshot[]): number {
  const isUseless = ({ tags }: PulledSnapshot) =>
    !tags.some(({ how }) => how === 'taken' || how === 'skipped');
  const tags = pulled.filter(isUseless).flatMap((one) => one.tags);
  return tags.some(({ how }) => how === 'damaged') ? EXIT.damaged : EXIT.finished;
}

/** What was found under a tag, a line each. */
export function describeTag(found: TagOutcome): string[] {
  switch (found.how) {
    case 'nothing':
      return [`nothing under ${found.tag}`];
    case 'damaged':
      return [`damaged: ${plain(found.reason)}`];
    case 'out-of-use':
      return [`not used: ${found.tag}: ${found.reason}`];
    case 'refused':
      return [`refused ${describeSnapshot(found.entry)}: ${plain(found.reason)}`];
    case 'skipped':
      return [`skipped ${describeSnapshot(found.entry)}: ${REASON[found.why]}`];
    case 'taken': {
      const { imported, skipped, displaced, bytes } = found.result;
      return [
        ...imported.map((entry) => `pulled ${describeSnapshot(entry)}, ${formatBytes(bytes)}`),
        ...skipped.map((entry) => `skipped ${describeSnapshot(entry)}: ${REASON[entry.why]}`),
        ...displaced.map((entry) => `dropped ${describeSnapshot(entry)}: ${REASON[entry.why]}`),
      ];
    }
  }
}

const pullToJson = ({ hash, tags }: PulledSnapshot) => ({
  hash,
  tags: tags.map((one) => ({
    tag: one.tag,
    how: one.how,
    ...('entry' in one ? { snapshot: toJson(one.entry) } : {}),
    ...('reason' in one ? { reason: one.reason } : {}),
    ...('why' in one ? { why: one.why } : {}),
    ...('result' in one ? { bytes: one.result.bytes } : {}),
  })),
});
