import { isOptions, type Options } from '../config-documents.js';
import { ok, problem, warning, type Finding } from './finding.js';

/** The options of rbm in which the shim stands. */
const WRAPPED = ['remote_start', 'remote_put', 'remote_exec', 'remote_get', 'remote_finish'] as const;
type WrappedName = (typeof WRAPPED)[number];

/** Where options stand: rbm asks the project first, then the local configuration with the shim, then `rbm.conf`. */
export type ConfigLevel = 'project' | 'local' | 'rbm.conf';

/** An option that rbm takes instead of the shim's. */
export interface Override {
  readonly name: WrappedName;
  /** Such as `container/remote_exec` or `targets/nightly/remote_get`. */
  readonly option: string;
}

/** A hash of options, and what leads to it: rbm looks into matching steps and targets before the hash itself. */
export interface Scope {
  readonly prefix: string;
  readonly scope: Options;
}

export function scopesOf(options: Options): Scope[] {
  const below = (parent: Scope, key: 'targets' | 'steps'): Scope[] => {
    const children = parent.scope[key];
    return Object.entries(isOptions(children) ? children : {}).flatMap(([name, scope]) =>
      isOptions(scope) ? [{ prefix: `${parent.prefix}${key}/${name}/`, scope }] : [],
    );
  };
  const root = { prefix: '', scope: options };
  const steps = below(root, 'steps');
  return [root, ...below(root, 'targets'), ...steps, ...steps.flatMap((step) => below(step, 'targets'))];
}

/** What hides the shim, at one level of the configuration. */
export function findOverrides(options: Options, level: ConfigLevel): Override[] {
  return scopesOf(options).flatMap(({ prefix, scope }) =>
    WRAPPED.flatMap((name) => {
      const candidates = [
        { option: `${prefix}${name}`, value: scope[name] },
        ...(prefix === '' ? [{ option: `override.${name}`, value: scope[`override.${name}`] }] : []),
        ...(isHidingContainer(prefix, level)
          ? [
              {
                option: `${prefix}container/${name}`,
                value: isOptions(scope.container) ? scope.container[name] : null,
              },
            ]
          : []),
      ];
      return candidates.filter(({ value }) => isHiding(value, name)).map(({ option }) => ({ name, option }));
    }),
  );
}

/** The shim takes the plain `container` of the local configuration along, and hands on to `rbm.conf`. */
const isHidingContainer = (prefix: string, level: ConfigLevel): boolean =>
  level === 'project' || (level === 'local' && prefix !== '');

/** An empty option means that there is no container; one that asks for `container/NAME` hands on to the shim. */
const isHiding = (value: unknown, name: WrappedName): boolean =>
  typeof value === 'string' && value.trim() !== '' && !value.includes(`container/${name}`);

/** What it means for a build that an option is not the shim's. */
export function judgeOverride(
  { name, option }: Override,
  where: { readonly file: string; readonly project: string | null; readonly isWanted: boolean },
): Finding {
  const { file, project, isWanted } = where;
  const check = `override/${project ?? file}/${option}`;
  const whose = project === null ? 'builds' : `builds of ${project}`;
  const text = `${file} sets ${option} itself`;
  if (name === 'remote_get') {
    return ok(
      check,
      `${text}: for ${whose} the exit statuses of their scripts alone say whether they went well`,
    );
  }
  if (!isWanted) return ok(check, `${text}: ${whose} can't be resumed, and var/resume doesn't ask for it`);
  const away = `Take it out of ${file}: rbm-resume hands on to container/${name} of rbm.conf and rbm.local.conf`;
  if (name === 'remote_put') {
    const message = `${text}: in ${whose} that are resumed every input file is copied anew, so more is built again`;
    return warning(check, message, `${away}.`);
  }
  return problem(
    check,
    `${text}, which hides what rbm-resume does there: ${whose} can't be resumed`,
    project === null ? `${away}.` : `${away}. Or write \`var: { resume: off }\` there.`,
  );
}
