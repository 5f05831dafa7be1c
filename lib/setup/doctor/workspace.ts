import { realpath } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import type { ConfigDocument } from '../config-documents.js';
import { findShim, SHIM_LIB, shimStatements, type ShimUse } from '../shim.js';
import { ok, problem, warning, type Finding } from './finding.js';
import { findInPath, isExecutable } from './programs.js';

export interface RbmSearch {
  /** `--rbm`. */
  readonly given: string | undefined;
  readonly env: NodeJS.ProcessEnv;
  readonly workspace: string | null;
}

/**
 * The directory with the programs `rbm` and `container`: the one that is named by `--rbm`, else by `RBM_DIR`, else
 * `rbm/` of the workspace, else that of the `rbm` in `PATH`. One that is named and no such directory is a problem.
 */
export async function findRbm(
  search: RbmSearch,
): Promise<{ readonly dir: string | null; readonly finding: Finding }> {
  const { given, env, workspace } = search;
  const check = 'rbm';
  const named = given ?? env.RBM_DIR;
  if (named !== undefined && named !== '') {
    const dir = resolve(named);
    const by = given === undefined ? 'RBM_DIR' : '--rbm';
    if (await isRbm(dir)) return { dir, finding: ok(check, `${dir}, named by ${by}`) };
    const message = `${dir}, which ${by} names, doesn't hold the programs rbm and container`;
    return { dir: null, finding: problem(check, message, `Let ${by} name the directory that does.`) };
  }
  const ofWorkspace = workspace === null ? null : join(workspace, 'rbm');
  if (ofWorkspace !== null && (await isRbm(ofWorkspace))) {
    return { dir: ofWorkspace, finding: ok(check, `${ofWorkspace}, in the workspace`) };
  }
  const inPath = await findInPath('rbm', env.PATH ?? '');
  const ofPath = inPath === null ? null : dirname(await realpath(inPath));
  if (ofPath !== null && (await isRbm(ofPath)))
    return { dir: ofPath, finding: ok(check, `${ofPath}, by PATH`) };
  const where =
    ofWorkspace === null ? 'neither RBM_DIR nor PATH leads to it' : `it is not in ${ofWorkspace} or PATH`;
  const cure =
    'Get rbm (in a workspace that has it as a submodule: git submodule update --init rbm), or name its directory with ' +
    '--rbm or RBM_DIR.';
  const found = workspace === null ? warning : problem;
  return { dir: null, finding: found(check, `no rbm: ${where}`, cure) };
}

const isRbm = async (dir: string): Promise<boolean> =>
  (await isExecutable(join(dir, 'rbm'))) && (await isExecutable(join(dir, 'container')));

/** Whether the workspace's local configuration (`null`: there is none) loads the shim, and nothing hides it. */
export function judgeLocalConf(
  workspace: string,
  { file, documents }: { readonly file: string; readonly documents: readonly ConfigDocument[] | null },
): Finding[] {
  const check = 'local-conf';
  const shim = findShim(documents ?? [], workspace);
  if (shim === null) {
    const why = documents === null ? `there is no ${file}` : `${file} doesn't load the shim`;
    return [problem(check, `${why}, so rbm knows nothing of rbm-resume`, 'rbm-resume init')];
  }
  const trouble = judgeShim(shim, { file, check });
  if (trouble.length > 0) return trouble;
  const whose =
    shim.foundIn === null || shim.foundIn === SHIM_LIB ? '' : ` (not this command's own, ${SHIM_LIB})`;
  const from =
    shim.foundIn === null ? 'from a path that is not a literal one' : `from ${shim.foundIn}${whose}`;
  return [ok(check, `${file} loads the shim on line ${shim.line}, ${from}`)];
}

function judgeShim(
  shim: ShimUse,
  { file, check }: { readonly file: string; readonly check: string },
): Finding[] {
  const name = basename(file);
  const [useLib, , options] = shimStatements(SHIM_LIB);
  const findings: Finding[] = [];
  if (shim.libs.length > 0 && shim.foundIn === null) {
    const cure = `Change the \`use lib\` there to: ${useLib}`;
    findings.push(
      problem(
        check,
        `${file}, line ${shim.line}: there is no RBM/Resume.pm in ${shim.libs.join(', ')}`,
        cure,
      ),
    );
  }
  if (!shim.callsOptions) {
    const cure = `Let its last expression be, or hold, ${options.replace(';', '')}.`;
    findings.push(
      problem(check, `${file}, line ${shim.line}: loads the shim, but doesn't return its options`, cure),
    );
  }
  if (shim.hiddenBy !== null) {
    findings.push(
      problem(
        check,
        `${file}, line ${shim.hiddenBy}: this document has a \`container\` and comes after the shim's (line ` +
          `${shim.line}), so rbm takes only this one`,
        `Move the document that loads the shim to the end of ${name}.`,
      ),
    );
  }
  if (shim.hasTwoContainers) {
    findings.push(
      warning(
        check,
        `${file}, line ${shim.line}: this Perl document seems to return a \`container\` besides the shim's; only one survives`,
        'Merge the two: my %resume = RBM::Resume::options(); container => { YOUR PAIRS, %{$resume{container}} }',
      ),
    );
  }
  if (shim.hides !== null) {
    findings.push(
      warning(
        check,
        `${file}, line ${shim.hides}: this Perl document seems to return a \`container\`; the shim's, on line ` +
          `${shim.line}, takes its place`,
        `Write it as YAML, under \`container:\` in a document before: the shim takes that along.`,
      ),
    );
  }
  return findings;
}
