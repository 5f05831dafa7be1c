import { projectsOf, type CiSettings } from './settings.js';
import { script } from './yaml.js';

/** Of a pipeline that looks for newer versions and builds nothing: a variable of its schedule. */
const IS_BUMP = '$RBM_RESUME_BUMP == "1"';

/** When a job that builds runs, where a schedule looks for newer versions in the same pipeline. */
export const rulesBeside = (when: 'on_success' | 'always'): object[] => [
  { if: IS_BUMP, when: 'never' },
  { when },
];

/**
 * A job for each project that looks for a newer version: it runs a command of the workspace, which edits what it finds, and opens a
 * merge request with that unless its branch is there already. Schedules and tokens are no part of a configuration: they are made by
 * hand, once. Source: GitLab, "Push options".
 */
export const bumpJob = (settings: CiSettings, command: string, image: string): object => ({
  stage: 'build',
  image,
  needs: [],
  timeout: '30 minutes',
  rules: [{ if: IS_BUMP }],
  parallel: { matrix: [{ PROJECT: projectsOf(settings) }] },
  script: [bumpScript(settings, command)],
});

/** With `PROJECT` in its environment, in a checkout of the branch. */
export const bumpScript = ({ branch }: Pick<CiSettings, 'branch'>, command: string): string =>
  script([
    'set -eu',
    'branch="bump-$PROJECT"',
    // Not the origin, in which is the token of the job.
    'repository="$CI_PROJECT_URL.git"',
    'if [ -z "${RBM_RESUME_BUMP_TOKEN:-}" ]; then',
    '  echo "RBM_RESUME_BUMP_TOKEN is missing: a project access token (Developer, write_repository), masked and protected."',
    '  exit 1',
    'fi',
    'with_token() {',
    // The shell that git starts puts it in: no list of processes shows it.
    `  git -c credential.helper='!f() { echo username=rbm-resume; echo "password=$RBM_RESUME_BUMP_TOKEN"; }; f' "$@"`,
    '}',
    'if [ -n "$(with_token ls-remote "$repository" "refs/heads/$branch")" ]; then',
    '  echo "A change of $PROJECT is proposed already: the branch $branch is there."',
    '  exit 0',
    'fi',
    command,
    'if git diff --quiet; then echo "There is nothing newer of $PROJECT."; exit 0; fi',
    'git -c user.name=rbm-resume -c user.email="noreply@$CI_SERVER_HOST" commit --quiet --all --message "Bump $PROJECT"',
    'with_token push --push-option merge_request.create \\',
    `  --push-option merge_request.target=${branch} --push-option "merge_request.title=Bump $PROJECT" \\`,
    '  --push-option merge_request.remove_source_branch "$repository" "HEAD:refs/heads/$branch"',
  ]);
