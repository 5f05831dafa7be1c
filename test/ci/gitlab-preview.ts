import { spawnSync } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageDir } from '../rbm/workspace.js';

/** Has gitlab-ci-local check a configuration by GitLab's schema and print it expanded, in a new folder of `root`. */
export function preview(root: string, text: string) {
  const dir = mkdtempSync(join(root, 'gitlab-'));
  spawnSync('git', ['init', '--quiet', dir]);
  writeFileSync(join(dir, '.gitlab-ci.yml'), text);
  const program = join(packageDir, 'node_modules', '.bin', 'gitlab-ci-local');
  return spawnSync(program, ['--preview'], { cwd: dir, encoding: 'utf8' });
}
