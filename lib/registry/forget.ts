import type { Digest, ProjectHash } from '../digest.js';
import type { JobClass } from '../trust/job-class.js';
import { isDamagedRemote } from './failures.js';
import { readCandidate } from './candidate.js';
import { companionTagOf, parseTag, tagOf, type Remote } from './remote.js';
import { openRegistry, type Registry, type RegistryOptions } from './skopeo.js';

/** `shared`: jobs of another class go on in the same manifest, and a registry removes manifests, not names of them. */
export type Forgotten = 'removed' | 'nothing' | 'shared' | 'not-ours';

/**
 * Removes what a registry has for a build and the jobs of one class, since the build has succeeded.
 * @throws RbmResumeError `COMMAND_NOT_FOUND`; `REMOTE_FAILED`, also where the registry does not allow it
 */
export async function forgetRemote(
  remote: Remote,
  of: { readonly hash: ProjectHash; readonly jobClass: JobClass | null },
  options: RegistryOptions = {},
): Promise<Forgotten> {
  const registry = openRegistry(remote, options);
  const tag = tagOf(of.hash, of.jobClass);
  const found = await registry.readManifest(`:${tag}`);
  if (found === null) return 'nothing';
  const { digest } = found;
  try {
    readCandidate(remote, { tag, ...found }, of.hash);
  } catch (error) {
    if (isDamagedRemote(error)) return 'not-ours';
    throw error;
  }
  for (const other of await registry.listTags()) {
    if (other === tag || parseTag(other)?.hash !== of.hash) continue;
    if ((await registry.readManifest(`:${other}`))?.digest === digest) return 'shared';
  }
  await removeSnapshot(registry, digest);
  return 'removed';
}

/** Removes a manifest, with all its tags, and what belongs to it. */
export async function removeSnapshot(registry: Registry, digest: Digest): Promise<void> {
  await registry.remove(`@${digest}`);
  await registry.remove(`:${companionTagOf(digest)}`);
}
