import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { RbmResumeError } from '../errors.js';

/** The folder of the nearest `rbm.conf` at or above `from`, as rbm itself looks for it; `null` when there is none. */
export function findWorkspace(from: string): string | null {
  for (let dir = resolve(from); ; dir = dirname(dir)) {
    if (existsSync(join(dir, 'rbm.conf'))) return dir;
    if (dir === dirname(dir)) return null;
  }
}

/**
 * The store that is meant: `--store`, else `RBM_RESUME_STORE`, else the workspace's `var/resume_store` (where it is
 * plain text, not a template), else `resume/` beside `rbm.conf`.
 * @throws RbmResumeError `NO_WORKSPACE`
 */
export async function findStore(named: string | undefined): Promise<string> {
  const given = named ?? process.env.RBM_RESUME_STORE;
  if (given !== undefined && given !== '') return resolve(given);
  const workspace = findWorkspace(process.cwd());
  if (workspace === null) {
    throw new RbmResumeError('NO_WORKSPACE', `no rbm.conf in ${process.cwd()} or above it`, {
      hint: 'Go to the workspace, or name the store with --store.',
    });
  }
  for (const file of ['rbm.local.conf', 'rbm.conf']) {
    const store = await resumeStoreIn(join(workspace, file));
    if (store !== null) return resolve(workspace, store);
  }
  return join(workspace, 'resume');
}

async function resumeStoreIn(file: string): Promise<string | null> {
  if (!existsSync(file)) return null;
  let store: string | null = null;
  for (const document of parseAllDocuments(await readFile(file, 'utf8'))) {
    const value: unknown = 'errors' in document && document.errors.length === 0 ? document.toJS() : null;
    if (typeof value !== 'object' || value === null || !('var' in value)) continue;
    const options = value.var;
    if (typeof options !== 'object' || options === null || !('resume_store' in options)) continue;
    if (typeof options.resume_store === 'string' && !options.resume_store.includes('[%'))
      store = options.resume_store;
  }
  return store;
}
