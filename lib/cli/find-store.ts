import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { RbmResumeError } from '../errors.js';

/** The folder of the nearest `rbm.conf` at or above `from`, as rbm itself looks for it; `null` when there is none. */
export function findWorkspace(from: string): string | null {
  for (let dir = resolve(from); ; dir = dirname(dir)) {
    if (existsSync(join(dir, 'rbm.conf'))) return dir;
    if (dir === dirname(dir)) return null;
  }
}

/**
 * The folder of the workspace that this process stands in.
 * @param hint what a person should do who stands elsewhere
 * @throws RbmResumeError `NO_WORKSPACE`
 */
export function requireWorkspace(hint: string): string {
  const dir = findWorkspace(process.cwd());
  if (dir !== null) return dir;
  throw new RbmResumeError('NO_WORKSPACE', `no rbm.conf in ${process.cwd()} or above it`, { hint });
}

/** The rbm that is meant: `named`, else `RBM` of the environment, else that of the workspace. */
export const findRbm = (named: string | null | undefined, workspace: string): string =>
  named ?? process.env.RBM ?? join(workspace, 'rbm', 'rbm');

/**
 * The store that is meant: `--store`, else `RBM_RESUME_STORE`, else the workspace's `var/resume_store` (where it is
 * plain text, not a template), else `resume/` beside `rbm.conf`.
 * @throws RbmResumeError `NO_WORKSPACE`
 */
export async function findStore(named: string | undefined): Promise<string> {
  const given = named ?? process.env.RBM_RESUME_STORE;
  if (given !== undefined && given !== '') return resolve(given);
  const workspace = requireWorkspace('Go to the workspace, or name the store with --store.');
  const store = await optionOf(workspace, 'resume_store');
  return store === null ? join(workspace, 'resume') : resolve(workspace, store);
}

/**
 * What is meant by an option: `given` (the empty text: nothing), else what the workspace has as `var/NAME`, where that is plain
 * text. `dir` is the folder that a path is relative to.
 */
export async function findWorkspaceOption(
  given: string | undefined,
  name: string,
): Promise<{ readonly value: string; readonly dir: string } | null> {
  if (given !== undefined) return given === '' ? null : { value: given, dir: process.cwd() };
  const dir = findWorkspace(process.cwd());
  const value = dir === null ? null : await optionOf(dir, name);
  return dir === null || value === null || value === '' ? null : { value, dir };
}

async function optionOf(workspace: string, name: string): Promise<string | null> {
  for (const file of ['rbm.local.conf', 'rbm.conf']) {
    const value = await optionIn(join(workspace, file), name);
    if (value !== null) return value;
  }
  return null;
}

async function optionIn(file: string, name: string): Promise<string | null> {
  if (!existsSync(file)) return null;
  // Loaded only here: hooks are told the store, and start in two thirds of the time.
  const { parseAllDocuments } = await import('yaml');
  let found: string | null = null;
  for (const document of parseAllDocuments(await readFile(file, 'utf8'))) {
    const value: unknown = 'errors' in document && document.errors.length === 0 ? document.toJS() : null;
    if (typeof value !== 'object' || value === null || !('var' in value)) continue;
    const options = value.var;
    if (typeof options !== 'object' || options === null || !(name in options)) continue;
    const option = (options as Readonly<Record<string, unknown>>)[name];
    if (typeof option === 'string' && !option.includes('[%')) found = option;
  }
  return found;
}
