import { bumpOf } from './github-bump.js';
import { askForFollowUp, followUpOf, LAST_JOB, TRY, VERDICT } from './github-follow-up.js';
import { GITHUB_REGISTRY, stepsOf } from './github-steps.js';
import { headOf, minutesOf, nameOf, type CiFile, type CiSettings } from './settings.js';
import type { CiJob } from './jobs.js';
import { script, toYaml } from './yaml.js';

/**
 * Two workflows for GitHub Actions: one whose jobs are a leg each, and one that runs the first again for as long as it was
 * interrupted, which also works for pull requests from forks: it runs with the rights of the repository, and reads
 * nothing of theirs but which step of the last job failed.
 */
export function githubFiles(settings: CiSettings): CiFile[] {
  const name = nameOf(settings);
  const { bump } = settings;
  const head = headOf('github', settings);
  return [
    { path: `.github/workflows/${name}.yml`, text: toYaml(workflowOf(settings), head) },
    { path: `.github/workflows/${name}-next.yml`, text: toYaml(followUpOf(settings), head) },
    ...(bump === null
      ? []
      : [{ path: `.github/workflows/${name}-bump.yml`, text: toYaml(bumpOf(settings, bump), head) }]),
  ];
}

function workflowOf(settings: CiSettings): object {
  const { branch, jobs, policy, remote } = settings;
  return {
    name: nameOf(settings),
    'run-name': `${settings.project}, leg \${{ github.run_attempt }}`,
    on: { push: { branches: [branch] }, pull_request: null, workflow_dispatch: null },
    permissions: {
      contents: 'read',
      actions: 'write',
      ...(remote?.startsWith(GITHUB_REGISTRY) ? { packages: 'write' } : {}),
    },
    // What runs is let end: a leg that is cancelled loses its upload.
    concurrency: { group: `${nameOf(settings)}-\${{ github.ref }}`, 'cancel-in-progress': false },
    env: {
      // Caches of pull requests and of branches have names of their own.
      RBM_RESUME_SCOPE: `\${{ github.event.pull_request.number && format('pr-{0}', github.event.pull_request.number) || 'branch' }}`,
      ...(remote === null ? {} : { RBM_RESUME_REMOTE: remote }),
      ...(policy === null
        ? {}
        : {
            RBM_RESUME_POLICY: policy,
            RBM_RESUME_CLASS: `\${{ github.event.pull_request.number && format('pr/{0}', github.event.pull_request.number) || (github.ref_protected && 'protected' || 'branch') }}`,
          }),
    },
    defaults: { run: { shell: 'bash' } },
    jobs: {
      begin: beginJob(settings),
      ...Object.fromEntries(jobs.map((job) => [job.id, jobOf(settings, job)])),
      [LAST_JOB]: lastJob(settings),
    },
  };
}

/** Counts the legs before this one that came to nothing, and ends the series when these are too many. */
function beginJob({ maxStalled }: CiSettings): object {
  return {
    'runs-on': 'ubuntu-24.04',
    'timeout-minutes': 5,
    outputs: { stalled: '${{ steps.count.outputs.stalled }}' },
    steps: [
      {
        name: 'Count the legs without progress',
        id: 'count',
        env: { GH_TOKEN: '${{ github.token }}' },
        run: script([
          TRY,
          'stalled=0',
          'for ((attempt = GITHUB_RUN_ATTEMPT - 1; attempt > 0; attempt--)); do',
          '  verdict=$(try gh api --paginate "repos/$GITHUB_REPOSITORY/actions/runs/$GITHUB_RUN_ID/attempts/$attempt/jobs" \\',
          `    --jq '.jobs[] | select(.name == "${LAST_JOB}") | .steps[] | select(.conclusion == "failure") | .name') || verdict=`,
          `  if [ "$verdict" != '${VERDICT.stalled}' ]; then break; fi`,
          '  stalled=$((stalled + 1))',
          'done',
          'echo "stalled=$stalled" >> "$GITHUB_OUTPUT"',
          `if [ "$stalled" -ge ${maxStalled} ]; then`,
          `  echo "::error::$stalled legs in a row have come to nothing: the logs of the last one say where it stood."`,
          '  exit 1',
          'fi',
        ]),
      },
    ],
  };
}

function jobOf(settings: CiSettings, job: CiJob): object {
  const needs = job.needs.map((id) => `needs.${id}.outputs.outcome == 'finished'`);
  const isReady = ['!cancelled()', "needs.begin.result == 'success'", ...needs].join(' && ');
  return {
    needs: ['begin', ...job.needs],
    if: `\${{ ${isReady} }}`,
    'runs-on': 'ubuntu-24.04',
    'timeout-minutes': minutesOf(settings),
    outputs: {
      outcome: '${{ steps.leg.outputs.outcome }}',
      progress: '${{ steps.leg.outputs.progress }}',
    },
    steps: stepsOf(settings, job),
  };
}

/** Fails until everything is built, so that nobody takes a leg for the whole. */
function lastJob(settings: CiSettings): object {
  const { jobs } = settings;
  const outcomes = jobs.map(({ id }) => `${id}:\${{ needs.${id}.outputs.outcome || needs.${id}.result }}`);
  const progress = jobs.map(({ id }) => `needs.${id}.outputs.progress == 'true'`).join(' || ');
  const failed = jobs.map(({ id }) => `needs.${id}.outputs.outcome == 'failed'`).join(' || ');
  const finished = jobs.map(({ id }) => `needs.${id}.outputs.outcome == 'finished'`).join(' && ');
  const verdict = (name: string, condition: string, text: string) => ({
    name,
    if: `\${{ ${condition} }}`,
    run: script([`echo "::error::${text}"`, 'exit 1']),
  });
  return {
    needs: ['begin', ...jobs.map(({ id }) => id)],
    if: "${{ !cancelled() && needs.begin.result == 'success' }}",
    'runs-on': 'ubuntu-24.04',
    'timeout-minutes': 5,
    steps: [
      { name: 'Tell', run: script([`echo '${outcomes.join(' ')}'`]) },
      verdict(VERDICT.failed, failed, 'A build has failed; its job says why.'),
      // After one that fails the others are left out.
      verdict(
        VERDICT.progress,
        `!(${finished}) && (${progress})`,
        'Not finished yet. This run is run again by itself.',
      ),
      verdict(
        VERDICT.stalled,
        `!(${finished})`,
        'Not finished yet, and this leg came to nothing. This run is run again by itself, some times.',
      ),
      askForFollowUp(settings, `\${{ failure() && !(${failed}) }}`),
    ],
  };
}
