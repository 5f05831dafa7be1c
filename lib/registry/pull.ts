import { isProjectHash, type ProjectHash } from '../digest.js';
import { messageOf, RbmResumeError } from '../errors.js';
import { shownText } from '../rootfs/entry.js';
import { isTakenOut, writeQuarantineNote } from '../snapshot/drop.js';
import { givenUp } from '../store/ledger.js';
import { storePaths, type StorePaths } from '../store/paths.js';
import { refuseWithoutRoom, WRITER_NEED } from '../store/room.js';
import { namingIoFailures } from '../system-error.js';
import { NO_POLICY, type Trust } from '../trust/judge.js';
import { isDamagedRemote } from './failures.js';
import { readCandidate, type Candidate } from './candidate.js';
import { fetchCandidate, type Fetched, type FetchOptions } from './fetch-candidate.js';
import { parseTag, tagsFor, type Remote } from './remote.js';
import { openRegistry, type RegistryOptions } from './skopeo.js';

export interface PullOptions extends RegistryOptions {
  /** By what snapshots are judged, and where they are looked for. @default everything, under the tag of no class */
  readonly trust?: Trust;
  /** The container image's tarball, which does not travel if it is the snapshot's own. @default none is at hand */
  readonly base?: string | null;
}

/** What was found under one tag. */
export type TagOutcome = { readonly tag: string } & (
  | { readonly how: 'nothing' }
  /** It is no snapshot of that hash, or not whole. */
  | { readonly how: 'damaged'; readonly reason: string }
  /** This machine has found it defective, or builds that went on in it have failed. */
  | { readonly how: 'out-of-use'; readonly reason: string }
  | Fetched
);

export interface PulledSnapshot {
  readonly hash: ProjectHash;
  /** In the order in which they were asked for; the last one was used, if any was. */
  readonly tags: readonly TagOutcome[];
}

/**
 * Takes the snapshot of a build from a registry into a store, which need not be there yet. The tag of the job's own class comes first,
 * then those of the classes that its policy accepts; the first that can be used is taken. What comes is checked and judged
 * as an import is; what is refused or damaged is not in the way of the next.
 * @throws RbmResumeError `COMMAND_NOT_FOUND`, `REMOTE_FAILED`, `NO_ROOM`, `STORE_BUSY`, `STORE_WRITE_FAILED`, `BAD_INDEX`
 */
export function pullSnapshot(
  store: string,
  hash: ProjectHash,
  from: { readonly remote: Remote } & PullOptions,
): Promise<PulledSnapshot> {
  const { remote, trust = NO_POLICY, base } = from;
  const paths = storePaths(store);
  const registry = openRegistry(remote, from);
  return namingIoFailures(`pulling ${hash} from ${remote.url}`, async () => {
    await refuseWithoutRoom({ dir: paths.root, what: 'the pull' }, WRITER_NEED);
    const tags: TagOutcome[] = [];
    for (const tag of tagsFor(hash, trust)) {
      const outcome = await pullTag(paths, { tag, hash }, { registry, trust, base });
      tags.push(outcome);
      if (outcome.how === 'taken' || outcome.how === 'skipped') break;
    }
    return { hash, tags };
  });
}

async function pullTag(
  paths: StorePaths,
  { tag, hash }: { readonly tag: string; readonly hash: ProjectHash },
  from: FetchOptions,
): Promise<TagOutcome> {
  const { registry, trust } = from;
  let candidate: Candidate | null = null;
  try {
    const found = await registry.readManifest(`:${tag}`);
    if (found === null) return { tag, how: 'nothing' };
    candidate = readCandidate(registry.remote, { tag, ...found }, hash);
    const reason = await reasonOutOfUse(paths, candidate, trust);
    if (reason !== null) return { tag, how: 'out-of-use', reason };
    return { tag, ...(await fetchCandidate(paths, candidate, from)) };
  } catch (error) {
    if (!isDamagedRemote(error)) throw error;
    // The next push of this machine replaces it, whatever it claims to hold.
    if (candidate !== null) await writeQuarantineNote(paths, candidate.entry(null), messageOf(error));
    return { tag, how: 'damaged', reason: messageOf(error) };
  }
}

/** Why this machine does not go on in a snapshot, whoever has it; `null` when it does. */
export async function reasonOutOfUse(
  paths: StorePaths,
  candidate: Candidate,
  trust: Trust,
): Promise<string | null> {
  const entry = candidate.entry(null);
  if (await isTakenOut(paths, entry)) return 'it was taken out of use on this machine';
  const skipped = await givenUp(paths, entry.hash, trust.jobClass);
  return skipped.has(entry.digest) ? 'builds that were resumed from it have failed' : null;
}

/**
 * The project hashes that are meant, of those that a registry has for a job; whole ones are not looked for.
 * @param names hashes or their first digits; none: all that it has
 * @throws RbmResumeError `NOT_IN_REMOTE`, `AMBIGUOUS_HASH`, `COMMAND_NOT_FOUND`, `REMOTE_FAILED`
 */
export async function findHashes(
  names: readonly string[],
  from: { readonly remote: Remote } & PullOptions,
): Promise<ProjectHash[]> {
  const { remote, trust = NO_POLICY } = from;
  const isWhole = names.length > 0 && names.every(isProjectHash);
  const tags = isWhole ? [] : await openRegistry(remote, from).listTags();
  const known = [...new Set(tags.flatMap((tag) => parseTag(tag)?.hash ?? []))].filter((hash) =>
    tagsFor(hash, trust).some((tag) => tags.includes(tag)),
  );
  if (names.length === 0) return known.sort();
  return [...new Set(names.map((name) => (isProjectHash(name) ? name : choose(known, name, remote))))];
}

function choose(known: readonly ProjectHash[], name: string, remote: Remote): ProjectHash {
  const [hash, ...others] = known.filter((one) => one.startsWith(name));
  if (hash === undefined) {
    throw new RbmResumeError(
      'NOT_IN_REMOTE',
      `${remote.url} has no snapshot "${shownText(name)}" for this job`,
      {
        hint: '`rbm-resume pull --all` takes whatever it has; --class says for which jobs.',
        fields: { remote: remote.url },
      },
    );
  }
  if (others.length === 0) return hash;
  throw new RbmResumeError('AMBIGUOUS_HASH', `${others.length + 1} project hashes begin with "${name}"`, {
    hint: 'Give more digits.',
  });
}
