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

/** Which run it is about: the run itself says so, or the event of its end. */
const RUN = '${{ github.event.inputs.run || github.event.workflow_run.id }}';
const ATTEMPT = '${{ github.event.inputs.attempt || github.event.workflow_run.run_attempt }}';

/**
 * Asks for the follow-up, by a run that is about to end. The event of its end alone is not enough: not each time that a run which this
 * token has run again ends is an event, but a dispatch always is. A pull request from a fork may not dispatch, and has that event only.
 * Source: GitHub, "Triggering a workflow from a workflow".
 */
export const askForFollowUp = (settings: CiSettings, condition: string): object => ({
  name: 'Ask for the next leg',
  if: condition,
  env: { GH_TOKEN: '${{ github.token }}' },
  run: script([
    `gh workflow run ${nameOf(settings)}-next.yml --repo "$GITHUB_REPOSITORY" \\`,
    '  --field run="$GITHUB_RUN_ID" --field attempt="$GITHUB_RUN_ATTEMPT" ||',
    '  echo "It can not be asked for; the end of this run does so, if anything."',
  ]),
});

/** Runs the workflow again when its last job says that it was interrupted, and not when it has failed or was cancelled. */
export function followUpOf(settings: CiSettings): object {
  const name = nameOf(settings);
  const input = { type: 'string', required: true };
  return {
    name: `${name}-next`,
    on: {
      workflow_run: { workflows: [name], types: ['completed'] },
      workflow_dispatch: { inputs: { run: input, attempt: input } },
    },
    permissions: { actions: 'write' },
    // Of two that are about the same leg the second finds that the next one has begun.
    concurrency: { group: `${name}-next-${RUN}`, 'cancel-in-progress': false },
    jobs: {
      next: {
        if: "${{ github.event_name == 'workflow_dispatch' || github.event.workflow_run.conclusion == 'failure' }}",
        'runs-on': 'ubuntu-24.04',
        'timeout-minutes': 15,
        steps: [
          {
            name: 'Begin the next leg where the last one was interrupted',
            env: { GH_TOKEN: '${{ github.token }}', RUN, ATTEMPT },
            run: script([
              TRY,
              ...UNTIL_IT_HAS_ENDED,
              'verdict=$(try gh api --paginate "repos/$GITHUB_REPOSITORY/actions/runs/$RUN/attempts/$ATTEMPT/jobs" \\',
              `  --jq '.jobs[] | select(.name == "${LAST_JOB}") | .steps[] | select(.conclusion == "failure") | .name')`,
              'case "$verdict" in',
              `'${VERDICT.progress}' | '${VERDICT.stalled}') ;;`,
              '*) echo "Nothing to go on with: ${verdict:-the run did not come to its last job}"; exit 0 ;;',
              'esac',
              ...STOP_WHERE_SUPERSEDED,
              `if [ "$ATTEMPT" -le ${MOST_RERUNS} ]; then try gh run rerun "$RUN" --repo "$GITHUB_REPOSITORY"; exit; fi`,
              'if [ "$event" = pull_request ]; then',
              `  echo "::error::GitHub runs nothing again more than ${MOST_RERUNS} times. Push to the pull request, or close and reopen it: it goes on where it was."`,
              '  exit 1',
              'fi',
              `try gh workflow run ${name}.yml --ref "$branch" --repo "$GITHUB_REPOSITORY"`,
            ]),
          },
        ],
      },
    },
  };
}

/** A run that asks for it has not ended yet. A pull request may call its branch what it likes: it stays a variable. */
const UNTIL_IT_HAS_ENDED = [
  'for ((asked = 0; asked < 60; asked++)); do',
  '  said=$(try gh api "repos/$GITHUB_REPOSITORY/actions/runs/$RUN" --jq \\',
  `    '[.status, .run_attempt, .conclusion, .workflow_id, .event, .head_sha, .head_repository.id, .head_branch] | map(tostring) | join(" ")')`,
  '  read -r status attempt conclusion workflow event commit repository branch <<< "$said"',
  '  if [ "$status" = completed ] || [ "$attempt" != "$ATTEMPT" ]; then break; fi',
  '  sleep 5',
  'done',
  'if [ "$attempt" != "$ATTEMPT" ]; then echo "The next leg has begun already."; exit 0; fi',
  'if [ "$conclusion" != failure ]; then echo "Nothing to go on with: the run is $status, $conclusion"; exit 0; fi',
];

/**
 * A push while legs run has a run, and legs, of its own: two would build the same by turns. And one that waits for this to end would be
 * thrown out by a second that waits: the service keeps the last.
 */
const STOP_WHERE_SUPERSEDED = [
  'newest=$(gh api --method GET "repos/$GITHUB_REPOSITORY/actions/workflows/$workflow/runs" -f branch="$branch" \\',
  `  --jq '.workflow_runs[] | "\\(.head_repository.id) \\(.head_sha)"' |`,
  `  awk -v id="$repository" '$1 == id && !found++ { print $2 }') || newest=`,
  'if [ -n "$newest" ] && [ "$newest" != "$commit" ]; then',
  '  echo "$branch has moved on to $newest, whose run goes on with what is kept."',
  '  exit 0',
  'fi',
];
