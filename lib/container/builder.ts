/** As much as a signature may say of it, in code units. */
const MOST_LENGTH = 1000;

/**
 * Which machine or CI job this is, for people who read of its leg later: `RBM_RESUME_BUILDER`, else the address of the job, where
 * its service tells one. It is what the job says of itself; nothing is decided by it, and no hash is made of it.
 * @returns one line, or `null` where nobody says
 */
export function builderOf(env: NodeJS.ProcessEnv): string | null {
  const { RBM_RESUME_BUILDER: told = '' } = env;
  const line = (told === '' ? addressOfJob(env) : told).replace(/\p{Cc}+/gu, ' ').trim();
  return line === '' ? null : line.slice(0, MOST_LENGTH);
}

/**
 * Sources: GitHub, "Variables reference"; GitLab, "Predefined CI/CD variables reference"; Woodpecker, "Environment variables";
 * Cirrus CI, "Environment variables".
 */
function addressOfJob(env: NodeJS.ProcessEnv): string {
  if (env.GITHUB_RUN_ID !== undefined) {
    const { GITHUB_SERVER_URL: server = 'https://github.com', GITHUB_REPOSITORY: repository = '' } = env;
    const { GITHUB_RUN_ID: run, GITHUB_RUN_ATTEMPT: attempt = '1', GITHUB_JOB: job = '' } = env;
    return `${server}/${repository}/actions/runs/${run}/attempts/${attempt} ${job}`;
  }
  if (env.CIRRUS_TASK_ID !== undefined) return `https://cirrus-ci.com/task/${env.CIRRUS_TASK_ID}`;
  return env.CI_JOB_URL ?? env.CI_STEP_URL ?? env.CI_PIPELINE_URL ?? '';
}
