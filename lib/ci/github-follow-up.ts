import { nameOf, type CiSettings } from './settings.js';
import { script } from './yaml.js';

/** Of the last job of the workflow: the follow-up looks for it. */
export const LAST_JOB = 'complete';

/** The steps of the last job, one of which fails unless everything is built. Their names tell the follow-up what to do. */
export const VERDICT = {
  failed: 'A build has failed',
  progress: 'Interrupted: the next leg begins by itself',
  stalled: 'Interrupted without progress: the next leg begins by itself',
} as const;

/** The service runs no run again more often. Source: GitHub, "Actions limits". */
const MOST_RERUNS = 50;

/** A service that has no answer for a moment ends no series of legs. */
export const TRY = 'try() { for wait in 5 30 90; do "$@" && return; sleep "$wait"; done; "$@"; }';

/** Runs the workflow again when its last job says that it was interrupted, and not when it has failed or was cancelled. */
export function followUpOf(settings: CiSettings): object {
  const name = nameOf(settings);
  return {
    name: `${name}-next`,
    on: { workflow_run: { workflows: [name], types: ['completed'] } },
    permissions: { actions: 'write' },
    jobs: {
      next: {
        if: "${{ github.event.workflow_run.conclusion == 'failure' }}",
        'runs-on': 'ubuntu-24.04',
        'timeout-minutes': 10,
        steps: [
          {
            name: 'Begin the next leg where the last one was interrupted',
            env: {
              GH_TOKEN: '${{ github.token }}',
              RUN: '${{ github.event.workflow_run.id }}',
              ATTEMPT: '${{ github.event.workflow_run.run_attempt }}',
              WORKFLOW: '${{ github.event.workflow_run.workflow_id }}',
              EVENT: '${{ github.event.workflow_run.event }}',
              // A pull request may call its branch what it likes: it stays a variable.
              BRANCH: '${{ github.event.workflow_run.head_branch }}',
              COMMIT: '${{ github.event.workflow_run.head_sha }}',
              REPOSITORY: '${{ github.event.workflow_run.head_repository.id }}',
            },
            run: script([
              TRY,
              'verdict=$(try gh api --paginate "repos/$GITHUB_REPOSITORY/actions/runs/$RUN/attempts/$ATTEMPT/jobs" \\',
              `  --jq '.jobs[] | select(.name == "${LAST_JOB}") | .steps[] | select(.conclusion == "failure") | .name')`,
              'case "$verdict" in',
              `'${VERDICT.progress}' | '${VERDICT.stalled}') ;;`,
              '*) echo "Nothing to go on with: ${verdict:-the run did not come to its last job}"; exit 0 ;;',
              'esac',
              ...STOP_WHERE_SUPERSEDED,
              `if [ "$ATTEMPT" -le ${MOST_RERUNS} ]; then try gh run rerun "$RUN" --repo "$GITHUB_REPOSITORY"; exit; fi`,
              'if [ "$EVENT" = pull_request ]; then',
              `  echo "::error::GitHub runs nothing again more than ${MOST_RERUNS} times. Push to the pull request, or close and reopen it: it goes on where it was."`,
              '  exit 1',
              'fi',
              `try gh workflow run ${name}.yml --ref "$BRANCH" --repo "$GITHUB_REPOSITORY"`,
            ]),
          },
        ],
      },
    },
  };
}

/**
 * A push while legs run has a run, and legs, of its own: two would build the same by turns. And one that waits for this to end would be
 * thrown out by a second that waits: the service keeps the last.
 */
const STOP_WHERE_SUPERSEDED = [
  'newest=$(gh api --method GET "repos/$GITHUB_REPOSITORY/actions/workflows/$WORKFLOW/runs" -f branch="$BRANCH" \\',
  `  --jq '.workflow_runs[] | "\\(.head_repository.id) \\(.head_sha)"' |`,
  `  awk -v id="$REPOSITORY" '$1 == id && !found++ { print $2 }') || newest=`,
  'if [ -n "$newest" ] && [ "$newest" != "$COMMIT" ]; then',
  '  echo "$BRANCH has moved on to $newest, whose run goes on with what is kept."',
  '  exit 0',
  'fi',
];
