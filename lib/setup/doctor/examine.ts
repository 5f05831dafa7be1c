import { basename, join } from 'node:path';
import { readConfigDocuments, mergeDocuments, readOptions, type Options } from '../config-documents.js';
import { RbmResumeError } from '../../errors.js';
import { localConfFile } from '../shim.js';
import { findPlace, judgeDisk, tmpDirOf, type Place } from './disk.js';
import { ok, problem, warning, type Finding } from './finding.js';
import { judgeHost, readHostFacts } from './host.js';
import { judgeIdRanges, readIdRangeFacts } from './id-ranges.js';
import { judgePerl, readPerlFacts } from './perl.js';
import { judgePrograms, readProgramFacts } from './programs.js';
import { judgeProjects, readProjects } from './projects.js';
import { findRbm, judgeLocalConf } from './workspace.js';

export interface ExamineOptions {
  /** `null` outside a workspace: then what belongs to one is left out. */
  readonly workspace: string | null;
  /** The store's folder, `null` when it is not known. */
  readonly store: string | null;
  /** The directory of rbm. @default see {@link findRbm} */
  readonly rbm?: string | undefined;
  readonly env: NodeJS.ProcessEnv;
}

/**
 * Looks at everything on which keeping and resuming depends, on this host and in this workspace. Changes nothing; runs a
 * few short programs, and none of rbm's.
 */
export async function examine(options: ExamineOptions): Promise<Finding[]> {
  const { workspace, store, env } = options;
  const rbm = await findRbm({ given: options.rbm, env, workspace });
  const [host, ranges, programs, perl, ofWorkspace] = await Promise.all([
    readHostFacts(),
    readIdRangeFacts(),
    readProgramFacts({ userPath: env.PATH ?? '' }),
    readPerlFacts({ rbmDir: rbm.dir, env }),
    workspace === null ? examineNoWorkspace(store) : examineWorkspace(workspace, options),
  ]);
  return [
    ...judgeHost(host),
    ...judgeIdRanges(ranges),
    ...judgePrograms(programs),
    ...judgePerl(perl),
    rbm.finding,
    ...ofWorkspace,
  ];
}

async function examineNoWorkspace(store: string | null): Promise<Finding[]> {
  const left = ok(
    'workspace',
    'not in a workspace: its configuration, its projects and its disk were not looked at',
  );
  return [...(await examineDisk({ tmpDir: null, store })), left];
}

/** The part of {@link examine} that looks at a workspace alone. */
export async function examineWorkspace(
  workspace: string,
  options: Pick<ExamineOptions, 'store' | 'env'>,
): Promise<Finding[]> {
  const findings: Finding[] = [];
  const read = async <T>(reading: Promise<T>, instead: T): Promise<T> => {
    try {
      return await reading;
    } catch (error) {
      if (!(error instanceof RbmResumeError)) throw error;
      findings.push(problem('config', error.message, 'See what rbm itself says about it.'));
      return instead;
    }
  };
  const localFile = await localConfFile(workspace);
  const rbmConf = await read<Options>(readOptions(join(workspace, 'rbm.conf')), {});
  const documents = await read(readConfigDocuments(localFile), undefined);
  if (documents !== undefined) findings.push(...judgeLocalConf(workspace, { file: localFile, documents }));
  const local = mergeDocuments(documents ?? []);
  const tmpDir = tmpDirOf(workspace, { configs: [local, rbmConf], env: options.env });
  if (tmpDir === null) {
    const cure = 'Look at `rbm showconf PROJECT tmp_dir`, and put the store on that file system.';
    findings.push(warning('disk/tmp_dir', 'tmp_dir is a template; the room there was not looked at', cure));
  }
  const [disk, projects] = await Promise.all([
    examineDisk({ tmpDir, store: options.store }),
    readProjects(workspace, rbmConf),
  ]);
  const lower = [
    { file: basename(localFile), level: 'local' as const, options: local },
    { file: 'rbm.conf', level: 'rbm.conf' as const, options: rbmConf },
  ];
  return [...findings, ...disk, ...judgeProjects({ ...projects, lower })];
}

async function examineDisk(paths: {
  readonly tmpDir: string | null;
  readonly store: string | null;
}): Promise<Finding[]> {
  const findings: Finding[] = [];
  const look = async (check: string, path: string | null): Promise<Place | null> => {
    if (path === null) return null;
    const found = await findPlace(check, path);
    if (!('check' in found)) return found;
    findings.push(found);
    return null;
  };
  const tmpDir = await look('disk/tmp_dir', paths.tmpDir);
  const store = await look('disk/store', paths.store);
  return [...findings, ...judgeDisk({ tmpDir, store })];
}
