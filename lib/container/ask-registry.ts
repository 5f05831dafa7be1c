import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import type { ProjectHash } from '../digest.js';
import { messageOf } from '../errors.js';
import { forgetRemote } from '../registry/forget.js';
import { pullForBuild } from '../registry/for-build.js';
import type { Remote } from '../registry/remote.js';
import { storePaths, type LivePaths } from '../store/paths.js';
import type { LiveRecord } from '../store/record.js';
import { NO_POLICY, type Trust } from '../trust/judge.js';
import { findImage } from './hold-base.js';
import type { RunDirectory } from './run-directory.js';

/** How often it is looked whether the run was interrupted while something is pulled, in milliseconds. */
const LOOK_MS = 250;

interface Asking {
  readonly store: string;
  readonly remote?: Remote | null | undefined;
  readonly trust?: Trust | undefined;
  readonly run: RunDirectory | null;
  readonly inputsDir?: string | null | undefined;
}

/**
 * Takes what a registry has for a build into the store, unless something is parked under its hash. An interrupt ends it.
 * @returns what a person should know, one line each
 */
export async function askRegistry(
  options: Asking,
  live: LivePaths,
  hash: ProjectHash | null,
): Promise<readonly string[]> {
  const { remote = null, store, trust = NO_POLICY, run, inputsDir = null } = options;
  if (remote === null || hash === null || existsSync(storePaths(store).parked(hash).dir)) return [];
  const interrupted = new AbortController();
  const look = async () => {
    if (existsSync(live.interrupt) || (await run?.isInterruptAsked()))
      interrupted.abort(new Error('the run was interrupted'));
  };
  const timer = setInterval(() => void look(), LOOK_MS);
  try {
    const base = await findImage(inputsDir).catch(() => null);
    const how = { remote, trust, base, signal: interrupted.signal };
    const { notes, mayHold } = await pullForBuild(store, hash, how);
    if (mayHold) await writeFile(live.remote, `${remote.url}\n`);
    return notes;
  } finally {
    clearInterval(timer);
  }
}

/** Removes what a registry has for a build that has succeeded; what can't be removed is only told. */
export async function forgetInRegistry(
  { remote = null, trust = NO_POLICY }: Asking,
  at: { readonly live: LivePaths; readonly record: LiveRecord; readonly hash: ProjectHash },
): Promise<readonly string[]> {
  // Most builds were never interrupted: they ask nobody.
  if (remote === null || !(at.record.resumed || existsSync(at.live.remote))) return [];
  try {
    const how = await forgetRemote(remote, { hash: at.hash, jobClass: trust.jobClass });
    return how === 'removed' ? [`its snapshot was removed from ${remote.url}`] : [];
  } catch (error) {
    return [`its snapshot stays in the registry until \`rbm-resume prune --remote\`: ${messageOf(error)}`];
  }
}
