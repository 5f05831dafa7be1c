import { cpSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { applyInit, planInit, type AppendPlan, type InitPlan } from '../../lib/setup/init.js';
import { packageDir } from '../rbm/workspace.js';

/** A folder of the test file that imports this, removed when its tests have ended. */
export const root = realpathSync(mkdtempSync(join(tmpdir(), 'rbm-resume-test-')));
after(() => rmSync(root, { recursive: true }));

/** A copy of the fixture workspace, with a local configuration or none. */
export function makeWorkspace(localConf?: string | Buffer): string {
  const workspace = mkdtempSync(join(root, 'workspace-'));
  cpSync(join(packageDir, 'fixtures', 'workspace'), workspace, { recursive: true });
  if (localConf !== undefined) writeFileSync(localConfOf(workspace), localConf);
  return workspace;
}

export const localConfOf = (workspace: string): string => join(workspace, 'rbm.local.conf');

export interface Ended {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end, with nothing to read. */
export function run(
  program: string,
  args: readonly string[],
  options: { readonly cwd: string; readonly env?: NodeJS.ProcessEnv },
): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(program, args, options, (error, stdout, stderr) => {
      resolve({ status: error === null ? 0 : Number(error.code), stdout, stderr });
    }).stdin?.end();
  });
}

/** Runs `rbm-resume` with the arguments. */
export const rbmResume = (
  args: readonly string[],
  options: { readonly cwd: string; readonly env?: NodeJS.ProcessEnv },
): Promise<Ended> => run(process.execPath, [join(packageDir, 'dist', 'cli', 'main.js'), ...args], options);

export function asAppend(plan: InitPlan): AppendPlan {
  assert.equal(plan.how, 'append');
  return plan;
}

/** Runs init the way `--yes` does, and gives what the file holds then. */
export async function initialize(workspace: string, lib?: string): Promise<Buffer> {
  await applyInit(asAppend(await planInit({ workspace, ...(lib === undefined ? {} : { lib }) })));
  return readFileSync(localConfOf(workspace));
}
