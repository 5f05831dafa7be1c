import { dirname } from 'node:path';
import { quote } from '../script/quote.js';
import type { CiJob, JobBuild } from './jobs.js';

export type CiService = 'github' | 'gitlab' | 'woodpecker' | 'cirrus';

/** What the configuration of every service is made of. */
export interface CiSettings {
  /** What the files, workflows and caches are named after: the project, where nobody says otherwise. */
  readonly name: string;
  /** The project that is built in the end, and with what targets. */
  readonly project: string;
  readonly step: string;
  readonly targets: readonly string[];
  /** In an order in which they can run. */
  readonly jobs: readonly CiJob[];
  /** How rbm is called in the workspace. */
  readonly rbm: string;
  /** How rbm-resume is called. */
  readonly command: string;
  /** Shell lines that make the machine ready; run in the workspace. */
  readonly prepare: readonly string[];
  /** How long a job may run, in seconds, as the service counts. */
  readonly limitSeconds: number;
  /** The branch whose pushes are built. */
  readonly branch: string;
  /** A policy file in the workspace: classes are told and snapshots signed. `null`: none. */
  readonly policy: string | null;
  /** A registry that snapshots travel by, `oci://HOST/NAME`. `null`: by the caches of the service. */
  readonly remote: string | null;
  /** What looks for a newer version of `$PROJECT` and edits it, run once a day. `null`: nobody looks. */
  readonly bump: string | null;
  /** After so many legs in a row that came to nothing, no other is begun. */
  readonly maxStalled: number;
  /** Folders of the workspace with git clones and downloads, which rbm fills. */
  readonly clones: readonly string[];
}

/** All projects that are built, sorted. */
export const projectsOf = ({ jobs }: Pick<CiSettings, 'jobs'>): string[] =>
  [...new Set(jobs.flatMap(({ builds }) => builds.map(({ project }) => project)))].sort();

/** A file of a configuration, by its path in the workspace. */
export interface CiFile {
  readonly path: string;
  readonly text: string;
}

/** The folder that carries a job's snapshots and times from leg to leg; see `legPaths`. */
export const carryDir = (job: CiJob): string => `.rbm-resume/${job.id}`;

/** What a finished job publishes: sha256sums, and how its outputs came about. */
export const publishedDir = (job: CiJob): string => `.rbm-resume/${job.id}/published`;

/**
 * Writes the sums of all that a job has built, by the names that provenance has for them, so that `compare` finds both to be the
 * same. Of what rbm makes on the way not all need be there. How an output came about that is gone is forgotten.
 */
export const sumCommands = (job: CiJob): string[] => {
  const outputs = job.outputs.map(word).join(' ');
  return [
    `mkdir -p ${publishedDir(job)} ${outputs}`,
    `for folder in ${outputs}; do (cd "$folder" && find . -type f -exec sha256sum {} +); done |`,
    `  sed 's:  \\./:  :' | LC_ALL=C sort -u -k 2 > ${publishedDir(job)}/sha256sums`,
    `for told in ${publishedDir(job)}/*.provenance.json; do`,
    '  name=${told##*/}',
    `  grep -qF -- "\${name%.provenance.json}" ${publishedDir(job)}/sha256sums || rm -f "$told"`,
    'done',
  ];
};

/**
 * Removes what older versions have left beside the outputs of jobs that are finished: each leg would carry it on, and the sums would
 * list it. Only in folders of which rbm can tell every name; what is made on the way to another build is not asked for.
 */
export const tidyCommands = (settings: Pick<CiSettings, 'rbm'>, jobs: readonly CiJob[]): string[] => {
  const folderOf = ({ output }: JobBuild): string => dirname(output);
  const roots = jobs.flatMap((job) => job.roots);
  const others = new Set(
    jobs.flatMap(({ builds }) => builds.filter((build) => !roots.includes(build)).map(folderOf)),
  );
  const folders = [...new Set(roots.map(folderOf))].filter((folder) => !others.has(folder)).sort();
  return folders.flatMap((folder) => {
    const inside = roots.filter((root) => folderOf(root) === folder);
    const files = inside.map(
      (root, index) => `file${index}=$(${rbmCommand(settings, root).filename}) && [ "$file${index}" ]`,
    );
    const current = inside.map((_, index) => `"\${file${index}%%/*}"`).join(' | ');
    return [
      `if ${files.join(' && ')}; then`,
      `  for path in ${word(folder)}/*; do`,
      `    case "\${path##*/}" in ${current}) ;; *) echo "An older version's: $path"; rm -rf "$path" ;; esac`,
      '  done',
      'fi',
    ];
  });
};

/** The name of the whole, such as `rbm-clang`. */
export const nameOf = ({ name }: Pick<CiSettings, 'name'>): string =>
  `rbm-${name.replace(/[^A-Za-z0-9_]+/g, '-')}`;

/**
 * What builds all of a job that is not built yet, as one command for `leg`. rbm itself builds the project that it is told to build
 * anew each time, also when its output is there.
 */
export const buildCommand = (settings: Pick<CiSettings, 'rbm'>, roots: readonly JobRoot[]): string => {
  const commands = roots.map((root) => {
    const { outputDir, filename, build } = rbmCommand(settings, root);
    return `{ { dir=$(${outputDir}) && file=$(${filename}) && test -f "$dir/$file"; } || ${build}; }`;
  });
  return `sh -c ${quote(commands.length === 0 ? 'true' : commands.join(' && '))}`;
};

/** What rbm is asked about a build, and how it is built. */
function rbmCommand({ rbm }: Pick<CiSettings, 'rbm'>, { project, step, targets }: JobRoot) {
  const flags = [
    ...(step === 'build' ? [] : ['--step', step]),
    ...targets.flatMap((one) => ['--target', one]),
  ];
  const command = (...words: string[]): string => [rbm, ...words, ...flags].map(word).join(' ');
  return {
    outputDir: command('showconf', project, 'output_dir'),
    filename: command('showconf', project, 'filename'),
    build: command('build', project),
  };
}

/** What rbm is told to build. */
export type JobRoot = Pick<JobBuild, 'project' | 'step' | 'targets'>;

/** The limit as `leg` takes it. */
export const limitOf = ({ limitSeconds }: CiSettings): string =>
  limitSeconds % 60 === 0 ? `${limitSeconds / 60}m` : `${limitSeconds}s`;

/** The limit as services take it, in whole minutes. */
export const minutesOf = ({ limitSeconds }: CiSettings): number => Math.ceil(limitSeconds / 60);

/** A word for a shell, in quotes only where it needs them. */
export const word = (text: string): string => (/^[\w@%+=:,./-]+$/.test(text) ? text : quote(text));

/** What stands at the top of each generated file. */
export const headOf = (service: CiService, settings: CiSettings): string =>
  ` Written by \`rbm-resume ci ${service} ${settings.project}\`; \`--check\` says whether it is up to date.\n` +
  ' Do not edit it: the next run of that command writes it anew.';
