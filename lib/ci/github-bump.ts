import { nameOf, projectsOf, type CiSettings } from './settings.js';
import { script } from './yaml.js';

/**
 * A workflow that looks for newer versions once a day: for each project it runs a command of the workspace, which edits what it
 * finds, and opens a pull request with that unless one is open already. The workflow that builds is asked for by itself, since what
 * the service's own token pushes starts none.
 */
export function bumpOf(settings: CiSettings, command: string): object {
  const name = nameOf(settings);
  return {
    name: `${name}-bump`,
    on: { schedule: [{ cron: '17 4 * * *' }], workflow_dispatch: null },
    permissions: { contents: 'write', 'pull-requests': 'write', actions: 'write' },
    concurrency: { group: `${name}-bump` },
    jobs: {
      bump: {
        'runs-on': 'ubuntu-24.04',
        'timeout-minutes': 30,
        strategy: { 'fail-fast': false, matrix: { project: projectsOf(settings) } },
        steps: [
          {
            name: 'Check out',
            uses: 'actions/checkout@v6',
            with: { ref: settings.branch, submodules: 'recursive' },
          },
          {
            name: 'Look for a newer version, and propose it',
            env: { GH_TOKEN: '${{ github.token }}', PROJECT: '${{ matrix.project }}' },
            run: bumpScript(settings, command),
          },
        ],
      },
    },
  };
}

/** With `PROJECT` in its environment, in a checkout of the branch. */
export const bumpScript = (settings: Pick<CiSettings, 'branch' | 'name'>, command: string): string =>
  script([
    'branch="bump-$PROJECT"',
    'open=$(gh pr list --head "$branch" --state open --json number --jq length)',
    'if [ "$open" != 0 ]; then echo "A change of $PROJECT is proposed already."; exit 0; fi',
    command,
    'if git diff --quiet; then echo "There is nothing newer of $PROJECT."; exit 0; fi',
    'git switch --quiet --create "$branch"',
    'git -c user.name="github-actions[bot]" -c user.email="41898282+github-actions[bot]@users.noreply.github.com" \\',
    '  commit --quiet --all --message "Bump $PROJECT"',
    // Of a proposal that was closed the branch may be left.
    'git push --quiet --force origin "$branch"',
    `gh pr create --base ${settings.branch} --head "$branch" --title "Bump $PROJECT" --body "Found by the daily look for newer versions."`,
    `gh workflow run ${nameOf(settings)}.yml --ref "$branch"`,
  ]);
