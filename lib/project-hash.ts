import * as v from 'valibot';
import { sha256Hex, type ProjectHash } from './digest.js';
import { RbmResumeError } from './errors.js';

const descriptionSchema = v.strictObject({
  format: v.literal(1),
  project: v.string(),
  /** rbm's step, such as `build`. */
  step: v.string(),
  /** In the order given: the first that defines an option wins. */
  targets: v.array(v.string()),
  version: v.nullable(v.string()),
  /** Of the output. In most workspaces it ends in a build id of six digits. */
  filename: v.nullable(v.string()),
  /** Of the machine, as `uname -m` says it. */
  architecture: v.nullable(v.string()),
  /** `git:COMMIT` or `hg:ID` of the source that rbm itself makes a tarball of. */
  source: v.nullable(v.string()),
  /** File names of the container image; not its bytes, which differ each time that it is rebuilt. */
  container_image: v.array(v.string()),
  /** One `NAME:CONTENT` an input file, as rbm's input_files_id has it; a dependency is `PROJECT:FILENAME`. */
  input_files: v.array(v.string()),
  /** The rendered scripts, by name (`pre`, the step's, `post`), with output folder and num_procs fixed. */
  scripts: v.record(v.string(), v.string()),
  container: v.strictObject({
    user: v.nullable(v.string()),
    /** The scripts that run without a network. */
    offline: v.array(v.string()),
    /** SHA-256 of the templates that start, fill and use the container, before they are rendered. */
    templates: v.record(v.string(), v.string()),
    remote_mktemp: v.nullable(v.string()),
  }),
});

/** All that decides what a build makes. perl-shim/lib/RBM/Resume/Description.pm takes it from rbm. */
export type BuildDescription = v.InferOutput<typeof descriptionSchema>;

/**
 * Reads a description as the shim prints it (JSON).
 * @throws RbmResumeError `BAD_DESCRIPTION` for anything of another shape, a key too many included
 */
export function parseBuildDescription(json: string): BuildDescription {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (cause) {
    throw badDescription('it is not JSON', cause);
  }
  if (typeof value === 'object' && value !== null && 'trouble' in value) {
    throw badDescription(String(value.trouble).trim(), undefined);
  }
  return checkDescription(value);
}

/**
 * The key of a build: the SHA-256 of its description in canonical JSON (keys sorted, no white space). The same build
 * gives the same 64 hex digits on any machine, for any user, in any folder, with any num_procs, on any day.
 * @throws RbmResumeError `BAD_DESCRIPTION`
 */
export function projectHash(description: BuildDescription): ProjectHash {
  return sha256Hex(`rbm-resume project\n${canonicalJson(checkDescription(description))}`) as ProjectHash;
}

/** The names of the scripts that a build has, in the order in which rbm runs them. */
export const scriptsOf = (description: BuildDescription): string[] =>
  ['pre', description.step, 'post'].filter((name) => name in description.scripts);

function checkDescription(value: unknown): BuildDescription {
  const result = v.safeParse(descriptionSchema, value);
  if (result.success) return result.output;
  const [issue] = result.issues;
  throw badDescription(`${v.getDotPath(issue) ?? 'the whole'}: ${issue.message}`, undefined);
}

function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    inner !== null && typeof inner === 'object' && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}

const badDescription = (what: string, cause: unknown): RbmResumeError =>
  new RbmResumeError('BAD_DESCRIPTION', `no description of the build: ${what}`, {
    hint: 'docs/hooks.md gives its shape; the Perl shim of the same release makes it.',
    cause,
  });
