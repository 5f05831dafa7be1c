import type { Digest, ProjectHash } from '../digest.js';
import { CREATED } from '../snapshot/annotations.js';
import type { JobClass } from '../trust/job-class.js';
import { isDamagedRemote } from './failures.js';
import { readCandidate, type Candidate } from './candidate.js';
import { readCompanion } from './companion.js';
import { removeSnapshot } from './forget.js';
import { companionTagOf, parseCompanionTag, parseTag, type Remote } from './remote.js';
import { openRegistry, type Registry, type RegistryOptions } from './skopeo.js';
import { DAY_MS } from '../time.js';

export interface RemotePruneOptions extends RegistryOptions {
  /** Snapshots that were made longer ago than so many days go. @default none */
  readonly keepDays?: number;
  /** Only tells what would go. @default false */
  readonly isDryRun?: boolean;
  /** @default the present time */
  readonly now?: Date;
}

/** `old`: beyond the limit. `superseded`: no tag names it any more. `orphaned`: what belongs to a manifest that is gone. */
export interface PrunedManifest {
  readonly why: 'old' | 'superseded' | 'orphaned';
  /** Of the snapshot. */
  readonly digest: Digest;
  /** Of an old one. */
  readonly hash: ProjectHash | null;
  readonly jobClass: JobClass | null;
}

/** A push leaves what belongs to a snapshot before its tag, so what is younger than this may be about to be named, in milliseconds. */
const GRACE_MS = DAY_MS;

/**
 * Removes from a registry what nobody goes on in any more: snapshots beyond the limit, those whose tag has got a newer one, and what
 * belonged to those that are gone. Tags of others stay. The registry frees the blobs when it collects its garbage.
 * @throws RbmResumeError `COMMAND_NOT_FOUND`; `REMOTE_FAILED`, also where the registry does not allow it
 */
export async function pruneRemote(
  remote: Remote,
  options: RemotePruneOptions = {},
): Promise<readonly PrunedManifest[]> {
  const { keepDays, isDryRun = false, now = new Date() } = options;
  const registry = openRegistry(remote, options);
  const tags = await registry.listTags();
  const { snapshots, foreign } = await readTags(registry, tags);
  const oldest = now.getTime() - (keepDays ?? Infinity) * DAY_MS;
  const old = snapshots.filter(
    ({ candidate }) => timeOf(candidate) < oldest && !foreign.has(candidate.digest),
  );
  const named = new Set([...snapshots.map(({ candidate }) => candidate.digest), ...foreign]);
  const chosen: PrunedManifest[] = [
    ...new Map(
      old.map(({ candidate, hash, jobClass }) => [
        candidate.digest,
        { why: 'old' as const, digest: candidate.digest, hash, jobClass },
      ]),
    ).values(),
    ...(await findUnnamed(registry, { tags, named, before: now.getTime() - GRACE_MS })),
  ];
  if (!isDryRun) for (const { digest } of chosen) await removeSnapshot(registry, digest);
  return chosen;
}

interface Named {
  readonly candidate: Candidate;
  readonly hash: ProjectHash;
  readonly jobClass: JobClass | null;
}

/** What the tags name: snapshots, and what only others know; to remove a manifest is to remove all its tags. */
async function readTags(
  registry: Registry,
  tags: readonly string[],
): Promise<{ readonly snapshots: readonly Named[]; readonly foreign: ReadonlySet<Digest> }> {
  const snapshots: Named[] = [];
  const foreign = new Set<Digest>();
  for (const tag of tags) {
    if (parseCompanionTag(tag) !== null) continue;
    const found = await registry.readManifest(`:${tag}`);
    if (found === null) continue;
    const parsed = parseTag(tag);
    try {
      if (parsed === null) foreign.add(found.digest);
      else
        snapshots.push({
          ...parsed,
          candidate: readCandidate(registry.remote, { tag, ...found }, parsed.hash),
        });
    } catch (error) {
      if (!isDamagedRemote(error)) throw error;
      foreign.add(found.digest);
    }
  }
  return { snapshots, foreign };
}

/** What belongs to manifests that no tag names, and these manifests where they are still there. */
async function findUnnamed(
  registry: Registry,
  among: { readonly tags: readonly string[]; readonly named: ReadonlySet<Digest>; readonly before: number },
): Promise<PrunedManifest[]> {
  const unnamed: PrunedManifest[] = [];
  for (const tag of among.tags) {
    const digest = parseCompanionTag(tag);
    if (digest === null || among.named.has(digest)) continue;
    const companion = await registry.readManifest(`:${companionTagOf(digest)}`);
    const createdAt = companion === null ? null : (readCompanion(companion.bytes)?.createdAt ?? null);
    if (createdAt === null || createdAt > among.before) continue;
    const isThere = (await registry.readManifest(`@${digest}`)) !== null;
    unnamed.push({ why: isThere ? 'superseded' : 'orphaned', digest, hash: null, jobClass: null });
  }
  return unnamed;
}

/** Milliseconds since 1970; one that does not say when it was made is not taken for old. */
function timeOf({ manifest }: Candidate): number {
  const time = Date.parse(manifest.annotations?.[CREATED] ?? '');
  return Number.isNaN(time) ? Infinity : time;
}
