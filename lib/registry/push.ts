import type { Digest } from '../digest.js';
import { RbmResumeError } from '../errors.js';
import { judgeSnapshot } from '../snapshot/judge-snapshot.js';
import { openStore } from '../snapshot/open-store.js';
import { baseLayerOf, checkIdentity, listBlobs, workSecondsOf } from '../snapshot/snapshot-blobs.js';
import { Snapshot, type SnapshotEntry } from '../snapshot/snapshot.js';
import { hasBlob } from '../store/blobs.js';
import type { StorePaths } from '../store/paths.js';
import { withStaging } from '../store/staging.js';
import { namingIoFailures } from '../system-error.js';
import { NO_POLICY, type Trust } from '../trust/judge.js';
import { isDamagedRemote } from './failures.js';
import { readCandidate, type Candidate } from './candidate.js';
import { judgeRemotely } from './fetch-candidate.js';
import { StagedLayout } from './layout.js';
import { reasonOutOfUse } from './pull.js';
import { tagOf, type Remote } from './remote.js';
import { sendCompanion } from './send-companion.js';
import { openRegistry, type Registry, type RegistryOptions } from './skopeo.js';

export interface PushOptions extends RegistryOptions {
  /** Whose work it is: that decides about the tag. And whose snapshots stand in the way of a push. @default nobody's, everything */
  readonly trust?: Trust;
}

export interface PushedSnapshot {
  readonly entry: SnapshotEntry;
  readonly tag: string;
  /**
   * `pushed`; `already-there`; `theirs-stays`: the registry has one of the same build with more work in it, which this machine has
   * not gone on in; `overtaken`: another job has pushed a whole snapshot of the same build at the same time.
   */
  readonly how: 'pushed' | 'already-there' | 'theirs-stays' | 'overtaken';
  /** What the tag names now. */
  readonly remoteDigest: Digest;
}

/**
 * Leaves a snapshot in a registry, under the tag of its hash and the job's class. Only blobs that the registry has not travel. What
 * belongs to it comes first and the tag last: whoever finds the tag finds a whole snapshot, and when this rejects, what the tag named
 * before stands.
 * @param name as for `SnapshotStore.open`
 * @throws RbmResumeError `COMMAND_NOT_FOUND`, `REMOTE_FAILED`, `DAMAGED_REMOTE` when the tag names something else afterwards; `BASE_NEEDED`
 *   where neither store nor registry has the base; `NO_SUCH_SNAPSHOT`, `AMBIGUOUS_HASH`, and as `Snapshot.open`
 */
export function pushSnapshot(
  store: string,
  name: string,
  to: { readonly remote: Remote } & PushOptions,
): Promise<PushedSnapshot> {
  const registry = openRegistry(to.remote, to);
  return namingIoFailures(`pushing ${name} to ${to.remote.url}`, async () => {
    const opened = openStore(store);
    const snapshot = await opened.open(name);
    checkIdentity(snapshot);
    return push(opened.paths, snapshot, { registry, trust: to.trust ?? NO_POLICY });
  });
}

async function push(
  paths: StorePaths,
  snapshot: Snapshot,
  to: { readonly registry: Registry; readonly trust: Trust },
): Promise<PushedSnapshot> {
  const { registry, trust } = to;
  const { entry, digest } = snapshot;
  const tag = tagOf(snapshot.hash, trust.jobClass);
  const standing = await readStanding(registry, { tag, snapshot });
  if (standing !== null && standing.digest !== digest && (await mustStay(paths, { standing, snapshot }, to)))
    return { entry, tag, how: 'theirs-stays', remoteDigest: standing.digest };
  const isThere = standing?.digest === digest;
  await withStaging(paths, async (staging) => {
    const layout = await StagedLayout.make(paths, staging);
    await layout.link(listBlobs(snapshot).all);
    await sendCompanion(registry, snapshot, layout);
    if (isThere) return;
    await layout.name({ snapshot: entry.descriptor });
    await sendImage(registry, snapshot, { layout, tag });
  });
  if (isThere) return { entry, tag, how: 'already-there', remoteDigest: digest };
  // Another job may have pushed meanwhile: the last one has the tag, and both are whole.
  const now = await registry.readManifest(`:${tag}`);
  if (now?.digest === digest) return { entry, tag, how: 'pushed', remoteDigest: digest };
  if (now === null) throw damagedTag(registry.remote, tag);
  const { digest: remoteDigest } = readCandidate(registry.remote, { tag, ...now }, snapshot.hash);
  return { entry, tag, how: 'overtaken', remoteDigest };
}

const damagedTag = (remote: Remote, tag: string): RbmResumeError =>
  new RbmResumeError('DAMAGED_REMOTE', `${tag} is gone from ${remote.url} right after it was pushed`, {
    hint: 'Was it removed meanwhile? Push it again.',
    fields: { remote: remote.url, name: tag },
  });

/** What the tag names; `null` when there is nothing, or nothing of this build. */
async function readStanding(
  registry: Registry,
  { tag, snapshot }: { readonly tag: string; readonly snapshot: Snapshot },
): Promise<Candidate | null> {
  const found = await registry.readManifest(`:${tag}`);
  if (found === null) return null;
  try {
    return readCandidate(registry.remote, { tag, ...found }, snapshot.hash);
  } catch (error) {
    if (isDamagedRemote(error)) return null;
    throw error;
  }
}

/**
 * Whether hours of another job's work would be lost for less: theirs is not older than what this machine knew when it numbered its
 * own, has worked longer, and can be used.
 */
async function mustStay(
  paths: StorePaths,
  { standing, snapshot }: { readonly standing: Candidate; readonly snapshot: Snapshot },
  { registry, trust }: { readonly registry: Registry; readonly trust: Trust },
): Promise<boolean> {
  const { generation } = standing.entry(null);
  if (generation < snapshot.generation) return false;
  if (standing.workSeconds <= workSecondsOf(snapshot.image.manifest.annotations)) return false;
  if ((await reasonOutOfUse(paths, standing, trust)) !== null) return false;
  // Who can't judge now leaves it to those who can.
  if (trust.policy === null || trust.trouble !== null) return true;
  try {
    return await judgeRemotely(paths, standing, { registry, trust });
  } catch (error) {
    if (isDamagedRemote(error)) return false;
    throw error;
  }
}

async function sendImage(
  registry: Registry,
  snapshot: Snapshot,
  { layout, tag }: { readonly layout: StagedLayout; readonly tag: string },
): Promise<void> {
  const base = baseLayerOf(snapshot);
  const hasBase = base === null || (await hasBlob(snapshot.paths, base.descriptor));
  try {
    await registry.send({ cwd: layout.cwd, name: 'snapshot' }, tag);
  } catch (cause) {
    if (hasBase || !(cause instanceof RbmResumeError) || !/no such file/.test(cause.message)) throw cause;
    const { hash } = snapshot;
    throw new RbmResumeError(
      'BASE_NEEDED',
      `the snapshot was stored without its base, and ${registry.remote.url} does not have it either`,
      { hint: 'Pack without --without-base where snapshots travel by a registry.', cause, fields: { hash } },
    );
  }
}

/** Those of a store that are pushed where nobody says which: the newest of each hash that the job may use. */
export async function namesToPush(store: string, trust: Trust): Promise<string[]> {
  const opened = openStore(store);
  const newest = new Map<string, number>();
  for (const entry of await opened.list()) {
    const isUsable =
      trust.policy === null ||
      (await Snapshot.open(opened.paths, entry).then(
        async (snapshot) => (await judgeSnapshot(snapshot, trust)).isAccepted,
        () => false,
      ));
    if (isUsable) newest.set(entry.hash, entry.generation);
  }
  return [...newest].map(([hash, generation]) => `${hash}@${generation}`);
}
