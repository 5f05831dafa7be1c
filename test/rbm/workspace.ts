import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, linkSync, copyFileSync, mkdtempSync, mkdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The package's own folder. */
export const packageDir = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

export const IMAGE_NAME = 'container-image_bookworm.tar.zst';

/** An rbm to test with: the stand-in always, the real one where RBM_DIR points to it. */
export interface Rbm {
  readonly name: string;
  readonly dir: string;
}

/** All that there are; says loudly when the real one is missing. */
export function rbmsUnderTest(): Rbm[] {
  const standIn = { name: 'the stand-in', dir: join(packageDir, 'fixtures', 'rbm') };
  const real = process.env.RBM_DIR;
  if (real === undefined || real === '') {
    process.stderr.write('# NOT TESTED with real rbm: RBM_DIR is not set\n');
    return [standIn];
  }
  if (!existsSync(join(real, 'container')))
    throw new Error(`RBM_DIR=${real} does not hold rbm's container script`);
  return [standIn, { name: 'real rbm', dir: real }];
}

/** Where tests build: RBM_RESUME_TEST_DIR, or the system's temporary folder. */
export const testRoot = (): string => process.env.RBM_RESUME_TEST_DIR ?? tmpdir();

export interface WorkspaceOptions {
  /** The image tarball to link in; an empty file is enough where nothing is built. */
  readonly image?: string;
  readonly localConf?: string;
  readonly rbmConf?: string;
}

/** The Perl document that loads the shim of this checkout. */
export const loadShim = (): string =>
  [
    '--- |',
    `  use lib '${packageDir}/perl-shim/lib';`,
    '  use RBM::Resume;',
    '  RBM::Resume::options();',
    '',
  ].join('\n');

/** A copy of the fixture workspace in a folder of its own. */
export function makeWorkspace(options: WorkspaceOptions = {}): string {
  const root = testRoot();
  mkdirSync(root, { recursive: true });
  const dir = join(mkdtempSync(join(root, 'rbm-resume-test-')), 'workspace');
  cpSync(join(packageDir, 'fixtures', 'workspace'), dir, { recursive: true });
  if (options.rbmConf !== undefined) copyFileSync(options.rbmConf, join(dir, 'rbm.conf'));
  const image = join(dir, 'projects', 'common', IMAGE_NAME);
  if (options.image === undefined) writeFileSync(image, 'no image');
  else linkOrCopy(options.image, image);
  writeFileSync(join(dir, 'rbm.local.conf'), options.localConf ?? loadShim());
  return dir;
}

function linkOrCopy(from: string, to: string): void {
  try {
    linkSync(from, to);
  } catch {
    copyFileSync(from, to);
  }
}

/** The description of a build as the shim takes it from rbm, as JSON text. */
export function describeBuild(
  rbm: Rbm,
  workspace: string,
  build: {
    readonly project: string;
    readonly targets?: readonly string[];
    readonly env?: Record<string, string>;
  },
): string {
  const script = join(packageDir, 'test', 'rbm', 'describe.pl');
  const result = spawnSync('perl', [script, rbm.dir, build.project, ...(build.targets ?? [])], {
    cwd: workspace,
    env: { ...process.env, ...build.env },
    encoding: 'utf8',
  });
  if (result.status !== 0)
    throw new Error(`describe.pl: ${result.status}\n${result.stdout}\n${result.stderr}`);
  return result.stdout;
}
