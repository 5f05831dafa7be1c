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
        'timeout-minutes': 5,
        steps: [
          {
            name: 'Begin the next leg where the last one was interrupted',
            env: {
              GH_TOKEN: '${{ github.token }}',
              RUN: '${{ github.event.workflow_run.id }}',
              ATTEMPT: '${{ github.event.workflow_run.run_attempt }}',
            },
            run: script([
              'verdict=$(gh api --paginate "repos/$GITHUB_REPOSITORY/actions/runs/$RUN/attempts/$ATTEMPT/jobs" \\',
              `  --jq '.jobs[] | select(.name == "${LAST_JOB}") | .steps[] | select(.conclusion == "failure") | .name')`,
              'case "$verdict" in',
              `'${VERDICT.progress}' | '${VERDICT.stalled}') gh run rerun "$RUN" --repo "$GITHUB_REPOSITORY" ;;`,
              '*) echo "Nothing to go on with: ${verdict:-the run did not come to its last job}" ;;',
              'esac',
            ]),
          },
        ],
      },
    },
  };
}
