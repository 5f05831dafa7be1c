import type { Command } from 'commander';
import { namesToPush, pushSnapshot, type PushedSnapshot } from '../registry/push.js';
import { findStore } from './find-store.js';
import { printJson, printLine, reportError } from './output.js';
import { remoteOf, withRemoteFlags, type RemoteFlags } from './remote-flags.js';
import { describeSnapshot, toJson } from './transfer.js';
import { findTrust, withTrustFlags, type TrustFlags } from './trust-flags.js';

interface PushFlags extends RemoteFlags, TrustFlags {
  readonly json?: true;
}

export function registerPush(program: Command): void {
  const command = program
    .command('push')
    .description('leave snapshots in an OCI registry, for other machines to go on in')
    .argument('<remote>', 'a repository, such as oci://ghcr.io/namecoin/rbm-resume')
    .argument('[hash...]', 'project hashes or their first digits, with @GENERATION for one (default: all)')
    .option('--json', 'print as JSON');
  withTrustFlags(withRemoteFlags(command)).action(async (url: string, names: string[], flags: PushFlags) => {
    const store = await findStore(command.optsWithGlobals<{ store?: string }>().store);
    const trust = await findTrust(flags, store);
    const remote = remoteOf(url, flags);
    const pushed: PushedSnapshot[] = [];
    const failures: unknown[] = [];
    for (const name of names.length === 0 ? await namesToPush(store, trust) : names) {
      try {
        const one = await pushSnapshot(store, name, { remote, trust });
        pushed.push(one);
        if (!flags.json) printLine(describePush(one));
      } catch (error) {
        // One that can't be pushed must not cost the others.
        failures.push(error);
        if (!flags.json && failures.length > 1) reportError(error, { json: false });
      }
    }
    if (failures.length > 0) throw failures[0];
    if (flags.json) printJson({ store, remote: url, pushed: pushed.map(pushToJson) });
    else if (pushed.length === 0) printLine('there are no snapshots');
  });
}

/** One line on what was pushed. */
export function describePush({ entry, tag, how, remoteDigest }: PushedSnapshot): string {
  const name = describeSnapshot(entry);
  switch (how) {
    case 'pushed':
      return `pushed ${name} as ${tag}`;
    case 'already-there':
      return `the registry has ${name} as ${tag}`;
    case 'theirs-stays':
      return `${name} was not pushed: ${tag} is ${remoteDigest}, by another job, and more work is in it`;
    case 'overtaken':
      return `pushed ${name}, but ${tag} is ${remoteDigest}, whole too, by another job that has pushed at the same time`;
  }
}

/** What `--json` says of it. */
export const pushToJson = ({ entry, tag, how, remoteDigest }: PushedSnapshot) => ({
  ...toJson(entry),
  tag,
  how,
  remoteDigest,
});
