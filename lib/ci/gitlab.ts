import { EXIT } from '../errors.js';
import { bumpJob, rulesBeside } from './gitlab-bump.js';
import {
  buildCommand,
  carryDir,
  headOf,
  limitOf,
  minutesOf,
  nameOf,
  publishedDir,
  sumCommands,
  tidyCommands,
  type CiFile,
  type CiSettings,
} from './settings.js';
import type { CiJob } from './jobs.js';
import { script, toYaml } from './yaml.js';

/**
 * A file to include in `.gitlab-ci.yml`. Each job is a leg; the last one asks the service for another pipeline for as long as one
 * was interrupted. A job that can't go on since one that it needs was interrupted ends at once.
 */
export function gitlabFiles(settings: CiSettings): CiFile[] {
  const { branch, bump, jobs, policy, remote } = settings;
  const pipeline = {
    workflow: {
      rules: [
        { if: "$CI_PIPELINE_SOURCE == 'merge_request_event'" },
        { if: `$CI_COMMIT_BRANCH == '${branch}'` },
        // Another leg of a branch.
        { if: "$CI_PIPELINE_SOURCE == 'pipeline' || $CI_PIPELINE_SOURCE == 'trigger'" },
      ],
    },
    variables: {
      // rbm is a submodule in most workspaces.
      GIT_SUBMODULE_STRATEGY: 'recursive',
      RBM_RESUME_LEG: '1',
      RBM_RESUME_STALLED: '0',
      RBM_RESUME_MERGE_REQUEST: '',
      ...(remote === null ? {} : { RBM_RESUME_REMOTE: remote }),
      ...(policy === null ? {} : { RBM_RESUME_POLICY: policy }),
    },
    ...Object.fromEntries(jobs.map((job) => [job.id, jobOf(settings, job)])),
    'next-leg': nextJob(settings),
    ...(bump === null ? {} : { bump: bumpJob(settings, bump, IMAGE) }),
  };
  return [
    { path: `.gitlab/${nameOf(settings)}.gitlab-ci.yml`, text: toYaml(pipeline, headOf('gitlab', settings)) },
  ];
}

/** For runners that build in containers: the service's own default has no Node.js. */
const IMAGE = 'node:22-bookworm';

/** A runner that dies is no failure of the build. */
const RETRY = { max: 2, when: ['runner_system_failure', 'stuck_or_timeout_failure'] };

/** A job may need so many others. Source: GitLab, "needs", "Additional details". */
const MOST_NEEDS = 50;

/** The last job ends so where it has begun another leg. */
const NOT_YET = EXIT.interruptedAndKept;

/** The merge request that a leg is of. The legs after the first are no pipelines of it: their variable tells. */
const MERGE_REQUEST = '${CI_MERGE_REQUEST_IID:-$RBM_RESUME_MERGE_REQUEST}';

/**
 * The same in a key, where one of the two is empty: what a merge request leaves is never taken by a branch of the same name, such as
 * the main one of a fork.
 */
const REQUEST_KEY = '$CI_MERGE_REQUEST_IID$RBM_RESUME_MERGE_REQUEST';

const outcomeOf = (job: CiJob | { readonly id: string }): string => `.rbm-resume/${job.id}.outcome`;

function jobOf(settings: CiSettings, job: CiJob): object {
  const { bump, clones, policy, prepare, command, remote } = settings;
  const dir = carryDir(job);
  const flags = [
    `--started-at "$CI_JOB_STARTED_AT" --limit ${limitOf(settings)} --stalled "$RBM_RESUME_STALLED"`,
    ...(policy === null ? [] : ['"$@"']),
    `--outcome ${outcomeOf(job)}`,
  ];
  return {
    stage: 'build',
    image: IMAGE,
    needs: job.needs.map((id) => ({ job: id, artifacts: true })),
    ...(bump === null ? {} : { rules: rulesBeside('on_success') }),
    timeout: `${minutesOf(settings)} minutes`,
    // A leg that is cancelled loses its upload.
    interruptible: false,
    retry: RETRY,
    cache: [
      {
        key: `${nameOf(settings)}-${job.id}-$CI_COMMIT_REF_SLUG-${REQUEST_KEY}`,
        paths: [`${dir}/`, ...job.outputs.map(folder)],
        when: 'always',
      },
      ...(clones.length === 0
        ? []
        : [
            {
              key: `${nameOf(settings)}-${job.id}-clones-${REQUEST_KEY}`,
              paths: clones.map(folder),
              when: 'always',
            },
          ]),
    ],
    artifacts: {
      // What a job was interrupted in stays in the cache.
      paths: [outcomeOf(job), folder(publishedDir(job)), ...job.outputs.map(folder)],
      when: 'always',
      expire_in: '1 week',
    },
    script: [
      script([
        'set -eu',
        'mkdir -p .rbm-resume',
        `rm -f ${outcomeOf(job)}`,
        ...job.needs.flatMap((id) => [
          `if ! grep -q '^outcome=finished' ${outcomeOf({ id })}; then`,
          `  echo 'This job waits for ${id}, which is not finished.'`,
          `  echo outcome=waiting > ${outcomeOf(job)}`,
          '  exit 0',
          'fi',
        ]),
        ...prepare,
        ...(remote === null ? [] : LOGIN),
        `export RBM_RESUME_PROVENANCE="$CI_PROJECT_DIR/${publishedDir(job)}/"`,
        // In the place of the shell, which would keep the key open for as long as rbm runs.
        '(',
        ...(policy === null ? [] : classLines()),
        `exec ${command} leg ${dir} ${flags.join(' ')} -- \\`,
        `  ${buildCommand(settings, job.roots)}`,
        ')',
        `if grep -q '^outcome=finished' ${outcomeOf(job)}; then`,
        ...[...tidyCommands(settings, [job]), ...sumCommands(job)].map((line) => `  ${line}`),
        'fi',
      ]),
    ],
  };
}

/** The service's own registry; for another one the lines that prepare the machine have to log in. */
const LOGIN = [
  'if [ -n "${CI_REGISTRY_PASSWORD:-}" ]; then',
  '  printf %s "$CI_REGISTRY_PASSWORD" |',
  '    skopeo login --username "$CI_REGISTRY_USER" --password-stdin "$CI_REGISTRY" || true',
  'fi',
];

/** Protected variables are there on protected branches only: elsewhere what is packed is not signed. */
const classLines = (): string[] => [
  // A variable that anybody may pass, but it can only take trust away.
  `request=${MERGE_REQUEST}`,
  'if [ -n "$request" ]; then class="pr/$request"',
  'elif [ "$CI_COMMIT_REF_PROTECTED" = true ]; then class=protected',
  'else class=branch; fi',
  'set -- --class "$class"',
  'if [ -n "${RBM_RESUME_SIGN_KEY:-}" ]; then',
  '  exec 9< "$RBM_RESUME_SIGN_KEY"',
  '  set -- "$@" --sign-key-fd 9 --builder "$CI_JOB_ID"',
  'fi',
];

/** Runs whatever became of the others, and looks at what they have left. */
function nextJob({ bump, jobs, maxStalled }: CiSettings): object {
  return {
    stage: '.post',
    image: IMAGE,
    ...(bump === null ? { when: 'always' } : { rules: rulesBeside('always') }),
    // Without them it comes last, too, and is given what all have left.
    ...(jobs.length > MOST_NEEDS
      ? {}
      : { needs: jobs.map(({ id }) => ({ job: id, artifacts: true, optional: true })) }),
    // It is given all outputs, too.
    timeout: '30 minutes',
    retry: RETRY,
    // Nobody is to take a leg for the whole: the pipeline has passed with a warning.
    allow_failure: { exit_codes: [NOT_YET] },
    script: [
      script([
        'set -eu',
        'progress=false finished=true',
        `for job in ${jobs.map(({ id }) => id).join(' ')}; do`,
        '  outcome=$(sed -n "s/^outcome=//p" ".rbm-resume/$job.outcome" 2> /dev/null || echo lost)',
        '  echo "$job: ${outcome:=lost}"',
        '  if [ "$outcome" = failed ]; then echo "A build has failed; its job says why."; exit 1; fi',
        '  if [ "$outcome" != finished ]; then finished=false; fi',
        '  if grep -q "^progress=true" ".rbm-resume/$job.outcome" 2> /dev/null; then progress=true; fi',
        'done',
        'if [ "$finished" = true ]; then echo "All is built."; exit 0; fi',
        'stalled=0',
        'if [ "$progress" = false ]; then stalled=$((RBM_RESUME_STALLED + 1)); fi',
        `if [ "$stalled" -ge ${maxStalled} ]; then`,
        '  echo "$stalled legs in a row have come to nothing: the logs of the last one say where it stood."',
        '  exit 1',
        'fi',
        ...STOP_WHERE_SUPERSEDED,
        'if ! curl --fail-with-body --silent --show-error --retry 5 --request POST \\',
        '  --form "token=$CI_JOB_TOKEN" --form "ref=$CI_COMMIT_REF_NAME" \\',
        '  --form "variables[RBM_RESUME_LEG]=$((RBM_RESUME_LEG + 1))" \\',
        '  --form "variables[RBM_RESUME_STALLED]=$stalled" \\',
        `  --form "variables[RBM_RESUME_MERGE_REQUEST]=${MERGE_REQUEST}" \\`,
        '  "$CI_API_V4_URL/projects/$CI_PROJECT_ID/trigger/pipeline"; then',
        '  echo "The next leg can not be begun. Where it is about pipeline variables: Settings, CI/CD, Variables,"',
        '  echo "Minimum role to use pipeline variables: Developer. Then run this job again."',
        '  exit 1',
        'fi',
        'echo "Not finished yet: leg $((RBM_RESUME_LEG + 1)) is another pipeline."',
        `exit ${NOT_YET}`,
      ]),
    ],
  };
}

/** A push while legs run begins a pipeline, and legs, of its own: two would build the same from then on. */
const STOP_WHERE_SUPERSEDED = [
  'head=$(git ls-remote origin "refs/heads/$CI_COMMIT_REF_NAME" | cut -f 1) || head=',
  // That of a merge request may be a merge that is in no branch.
  'if [ -n "$head" ] && [ "$head" != "${CI_MERGE_REQUEST_SOURCE_BRANCH_SHA:-$CI_COMMIT_SHA}" ]; then',
  '  echo "$CI_COMMIT_REF_NAME has moved on to $head, whose pipeline goes on with what is kept."',
  '  exit 0',
  'fi',
];

const folder = (path: string): string => `${path}/`;
