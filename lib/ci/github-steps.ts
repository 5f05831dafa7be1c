import type { CiJob } from './jobs.js';
import {
  buildCommand,
  carryDir,
  limitOf,
  nameOf,
  publishedDir,
  sumCommands,
  tidyCommands,
  type CiSettings,
} from './settings.js';
import { script } from './yaml.js';

/** When the job began, as the service counts: nothing comes before it. */
const BEGAN = '"$RUNNER_TEMP/rbm-resume-began"';

/** The leg has ended by itself: what was killed may have left half of something. */
const ENDED = "${{ always() && steps.leg.outputs.outcome != '' }}";

/** It has built something, if not yet all: what is not saved is built anew by the next leg. */
const BUILT = "${{ always() && steps.leg.outputs.progress == 'true' }}";

/**
 * The steps of one leg. Caches can't be changed once they are written, so each leg writes new ones, the newest of a name is
 * restored, and those before it are removed. All is saved also of a leg that was interrupted or has failed, and nothing of one that
 * was killed: the newest cache is then still that of the leg before. Times come last, since they tell how long the snapshots took.
 */
export function stepsOf(settings: CiSettings, job: CiJob): object[] {
  const { jobs, clones, prepare, remote } = settings;
  const needed = jobs.filter(({ id }) => job.needs.includes(id));
  const dir = carryDir(job);
  const snapshots = { what: `snapshots-${job.id}`, paths: [`${dir}/snapshots`] };
  const published = publishedDir(job);
  // What an earlier leg has finished was saved and published then.
  const withOutput =
    "${{ always() && steps.leg.outputs.outcome == 'finished' && steps.leg.outputs.progress == 'true' }}";
  return [
    { name: 'Note when the job began', run: script([`date +%s > ${BEGAN}`]) },
    { name: 'Check out', uses: 'actions/checkout@v6', with: CHECKOUT },
    { name: 'Set up Node.js', uses: 'actions/setup-node@v6', with: { 'node-version': '22' } },
    { name: 'Prepare the machine', run: script(prepare) },
    restore(settings, outputsOf(job)),
    ...needed.map((one) => restore(settings, outputsOf(one))),
    ...clones.map((folder) =>
      restore(settings, { what: `clones-${job.id}-${slug(folder)}`, paths: [folder] }),
    ),
    ...(remote === null ? [restore(settings, snapshots)] : loginSteps(remote)),
    restore(settings, { what: `times-${job.id}`, paths: [`${dir}/state`] }),
    ...(settings.policy === null ? [] : [KEY_STEP]),
    legStep(settings, job),
    {
      name: 'Tell what was done',
      if: '${{ always() }}',
      'continue-on-error': true,
      run: script([`${settings.command} report --markdown "$GITHUB_STEP_SUMMARY"`]),
    },
    {
      name: 'Sum up what was built',
      if: withOutput,
      run: script([...tidyCommands(settings, [job]), ...sumCommands(job)]),
    },
    {
      name: 'Publish the sums, and how the outputs came about',
      if: withOutput,
      uses: 'actions/upload-artifact@v6',
      'continue-on-error': true,
      with: { name: `${nameOf(settings)}-${job.id}-sums`, path: published, overwrite: true },
    },
    {
      name: 'Note when the upload began',
      if: ENDED,
      run: script([`mkdir -p ${dir}/state`, stamp(dir, 'began')]),
    },
    ...(remote === null ? [save(settings, { ...snapshots, if: ENDED })] : []),
    save(settings, { ...outputsOf(job), if: BUILT }),
    ...clones.map((folder) =>
      save(settings, { what: `clones-${job.id}-${slug(folder)}`, paths: [folder], if: ENDED }),
    ),
    { name: 'Note when the upload ended', if: ENDED, run: script([stamp(dir, 'ended')]) },
    save(settings, { what: `times-${job.id}`, paths: [`${dir}/state`], if: ENDED }),
    pruneStep(settings, job),
  ];
}

/** With how they came about: what one leg has built, a later one publishes. */
const outputsOf = (job: CiJob) => ({ what: `out-${job.id}`, paths: [...job.outputs, publishedDir(job)] });

/** What runs after the checkout needs no token to read the repository with. */
const CHECKOUT = { submodules: 'recursive', 'persist-credentials': false };

/** The service's own registry. */
export const GITHUB_REGISTRY = 'oci://ghcr.io/';

/** For another registry the lines that prepare the machine have to log in. */
const loginSteps = (remote: string): object[] =>
  remote.startsWith(GITHUB_REGISTRY)
    ? [
        {
          name: 'Log in to the registry',
          // What a pull request from a fork may not push costs its next leg the snapshot.
          'continue-on-error': true,
          env: { GH_TOKEN: '${{ github.token }}' },
          run: script(['skopeo login --username "$GITHUB_ACTOR" --password-stdin ghcr.io <<< "$GH_TOKEN"']),
        },
      ]
    : [];

const KEY = '"$RUNNER_TEMP/rbm-resume-key"';

/** A step of its own: a process below the one that builds could read the environment of that. */
const KEY_STEP = {
  name: 'Put the key that signs where the next step takes it away',
  // Pull requests from forks have none: what they pack is not signed.
  env: { SIGN_KEY: '${{ secrets.RBM_RESUME_SIGN_KEY }}' },
  run: script([`if [ -n "$SIGN_KEY" ]; then (umask 077; printf '%s\\n' "$SIGN_KEY" > ${KEY}); fi`]),
};

function legStep(settings: CiSettings, job: CiJob): object {
  const { command, policy } = settings;
  const flags = [
    `--started-at "$(cat ${BEGAN})" --limit ${limitOf(settings)} --stalled "$STALLED"`,
    ...(policy === null ? [] : ['"${signing[@]}"']),
    `--outcome "$GITHUB_OUTPUT"`,
  ];
  return {
    name: 'Build',
    id: 'leg',
    env: {
      STALLED: '${{ needs.begin.outputs.stalled }}',
      RBM_RESUME_PROVENANCE: `\${{ github.workspace }}/${publishedDir(job)}/`,
    },
    run: script([
      ...(policy === null
        ? []
        : [
            'signing=()',
            `if [ -f ${KEY} ]; then`,
            `  exec 9< ${KEY}`,
            `  rm ${KEY}`,
            '  signing=(--sign-key-fd 9 --builder "$GITHUB_RUN_ID")',
            'fi',
          ]),
      // In the place of the shell, which would keep the key open for as long as rbm runs.
      `exec ${command} leg ${carryDir(job)} ${flags.join(' ')} -- \\`,
      `  ${buildCommand(settings, job.roots)}`,
    ]),
  };
}

interface Cached {
  readonly what: string;
  readonly paths: readonly string[];
  readonly if?: string;
}

/** Keys are of the scope, what it is, and the run: the part before the run finds the newest. */
const prefixOf = (settings: CiSettings, what: string, scope = '${{ env.RBM_RESUME_SCOPE }}'): string =>
  `${nameOf(settings)}-${what}-${scope}-`;

const restore = (settings: CiSettings, { what, paths }: Cached): object => ({
  name: `Fetch ${what}`,
  uses: 'actions/cache/restore@v5',
  // A service that has no cache today costs time, and not the job.
  'continue-on-error': true,
  with: {
    path: paths.join('\n'),
    key: keyOf(settings, what),
    // A pull request begins with what its branch has; its own is never taken by the branch.
    'restore-keys': script([prefixOf(settings, what), prefixOf(settings, what, 'branch')]),
  },
});

const save = (settings: CiSettings, cached: Cached): object => ({
  name: `Save ${cached.what}`,
  if: cached.if,
  uses: 'actions/cache/save@v5',
  'continue-on-error': true,
  with: { path: cached.paths.join('\n'), key: keyOf(settings, cached.what) },
});

const keyOf = (settings: CiSettings, what: string): string =>
  `${prefixOf(settings, what)}\${{ github.run_id }}-\${{ github.run_attempt }}`;

/** A repository has 10 GB for all its caches, and the oldest go first: those that a newer one stands for go at once. */
function pruneStep(settings: CiSettings, job: CiJob): object {
  const clones = settings.clones.map((folder) => `clones-${job.id}-${slug(folder)}`);
  const kinds = [...['snapshots', 'times', 'out'].map((kind) => `${kind}-${job.id}`), ...clones];
  return {
    name: 'Remove the caches of the legs before',
    if: ENDED,
    // The token of a pull request from a fork may not.
    'continue-on-error': true,
    env: { GH_TOKEN: '${{ github.token }}' },
    run: script([
      `for kind in ${kinds.join(' ')}; do`,
      `  prefix="${nameOf(settings)}-$kind-$RBM_RESUME_SCOPE-"`,
      `  gh cache list --key "$prefix" --ref "$GITHUB_REF" --sort created_at --order desc --limit 100 --json id --jq '.[1:][].id' |`,
      '    while read -r id; do gh cache delete "$id"; done',
      'done',
    ]),
  };
}

const stamp = (dir: string, what: string): string => `date +%s > ${dir}/state/upload-${what}`;

const slug = (folder: string): string => folder.replace(/[^A-Za-z0-9_]+/g, '-');
