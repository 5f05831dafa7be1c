import { readdir } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { messageOf, RbmResumeError } from '../../errors.js';
import { RESUME_MODES } from '../../store/record.js';
import { isOptions, mergeDocuments, readConfigDocuments, type Options } from '../config-documents.js';
import { ok, problem, warning, type Finding } from './finding.js';
import { findOverrides, judgeOverride, scopesOf, type ConfigLevel } from './overrides.js';

export interface Project {
  readonly name: string;
  /** Its configuration file, relative to the workspace. */
  readonly file: string;
  readonly options: Options;
}

export interface ProjectFacts {
  readonly projects: readonly Project[];
  /** Files that can't be read as YAML, and why. */
  readonly unread: readonly { readonly file: string; readonly message: string }[];
  /** What stands below the projects: the local configuration first, then `rbm.conf`. */
  readonly lower: readonly {
    readonly file: string;
    readonly level: ConfigLevel;
    readonly options: Options;
  }[];
}

/** Reads the configuration of every project, those of modules too. Perl documents in them stay unknown. */
export async function readProjects(
  workspace: string,
  rbmConf: Options,
): Promise<Pick<ProjectFacts, 'projects' | 'unread'>> {
  const dirs = [
    resolve(workspace, textOr(rbmConf.projects_dir, 'projects')),
    ...(await listNames(join(workspace, 'modules'))).map((module) =>
      join(workspace, 'modules', module, 'projects'),
    ),
  ];
  const names = await Promise.all(
    dirs.map(async (dir) => (await listNames(dir)).map((name) => ({ dir, name }))),
  );
  const unread: { file: string; message: string }[] = [];
  const projects = await Promise.all(
    names.flat().map(async ({ dir, name }): Promise<Project[]> => {
      const path = join(dir, name, 'config');
      const file = relative(workspace, path);
      try {
        const documents = await readConfigDocuments(path);
        return documents === null ? [] : [{ name, file, options: mergeDocuments(documents) }];
      } catch (error) {
        if (!(error instanceof RbmResumeError)) throw error;
        unread.push({ file, message: messageOf(error) });
        return [];
      }
    }),
  );
  return { projects: projects.flat(), unread };
}

const textOr = (value: unknown, instead: string): string => (typeof value === 'string' ? value : instead);

async function listNames(dir: string): Promise<string[]> {
  return (await readdir(dir).catch(() => [])).filter((name) => !name.startsWith('.')).sort();
}

/** Which projects ask to be kept, and which of them hide what is needed for it. */
export function judgeProjects(facts: ProjectFacts): Finding[] {
  const { projects, unread, lower } = facts;
  const defaults = lower.flatMap(({ options }) => resumeValues(options));
  const wanted = projects.filter((project) => isResumeWanted(project, defaults));
  const overrides = [
    ...lower.flatMap(({ file, level, options }) =>
      findOverrides(options, level).map((override) =>
        judgeOverride(override, { file, project: null, isWanted: true }),
      ),
    ),
    ...projects.flatMap((project) =>
      findOverrides(project.options, 'project').map((override) =>
        judgeOverride(override, {
          file: project.file,
          project: project.name,
          isWanted: wanted.includes(project),
        }),
      ),
    ),
  ];
  return [
    ...judgeValues(facts),
    judgeWanted(projects, wanted),
    ...overrides,
    ...unread.map(({ file, message }) =>
      warning('project-config', `${message}; it was not looked at`, `See whether rbm reads ${file}.`),
    ),
  ];
}

function judgeWanted(projects: readonly Project[], wanted: readonly Project[]): Finding {
  const check = 'resume-values';
  if (projects.length === 0)
    return warning(check, 'there are no projects', 'Is this the workspace that you mean?');
  if (wanted.length === 0) {
    return warning(
      check,
      `var/resume is off for all of the ${projects.length} projects, so nothing will be kept`,
      'Take `var: { resume: off }` out of projects/NAME/config, or write `resume: statement` there.',
    );
  }
  const names = wanted.map(({ name }) => name);
  const list = names.length > 12 ? [...names.slice(0, 12), '…'] : names;
  return ok(check, `${names.length} of ${projects.length} projects can be kept: ${list.join(', ')}`);
}

function judgeValues({ projects, lower }: ProjectFacts): Finding[] {
  return [...lower, ...projects].flatMap(({ file, options }) =>
    resumeValues(options)
      .filter(({ value }) => !isKnownValue(value))
      .map(({ option, value }) =>
        problem(
          'resume-values',
          `${file}: ${option} is ${JSON.stringify(value)}, with which rbm will stop`,
          'It can be statement, rerun or off.',
        ),
      ),
  );
}

interface ResumeValue {
  /** Such as `targets/nightly/var/resume`. */
  readonly option: string;
  readonly value: unknown;
}

/** What `var/resume` is set to, in all targets and steps. */
const resumeValues = (options: Options): ResumeValue[] =>
  scopesOf(options).flatMap(({ prefix, scope }) => {
    const value = isOptions(scope.var) ? scope.var.resume : undefined;
    return value === undefined || value === null ? [] : [{ option: `${prefix}var/resume`, value }];
  });

const isTemplate = (value: unknown): boolean => typeof value === 'string' && value.includes('[%');
const isKnownValue = (value: unknown): boolean => isMode(value) || isTemplate(value);
const isMode = (value: unknown): boolean => RESUME_MODES.some((mode) => mode === value);

/**
 * A project's own value comes before every default, and of those the lower file's; only targets and steps can then still
 * ask for it. Where nobody says anything, scripts are resumed at the statement.
 */
function isResumeWanted(project: Project, defaults: readonly ResumeValue[]): boolean {
  const own = resumeValues(project.options);
  const isPlain = ({ option }: ResumeValue) => option === 'var/resume';
  const all = [...own, ...(own.some(isPlain) ? [] : defaults)];
  return !all.some(isPlain) || all.some(({ value }) => value !== 'off');
}
