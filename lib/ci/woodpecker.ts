import {
  buildCommand,
  headOf,
  limitOf,
  nameOf,
  tidyCommands,
  word,
  type CiFile,
  type CiSettings,
} from './settings.js';
import { script, toYaml } from './yaml.js';

/**
 * Woodpecker has neither caches nor jobs that start others by themselves. So there is one workflow, for an agent with the backend
 * `local`, which keeps snapshots, times and outputs in a folder of its own; and what was interrupted is begun again by the
 * service's own API, for which a token is needed as a secret.
 */
export function woodpeckerFiles(settings: CiSettings): CiFile[] {
  const name = nameOf(settings);
  const { branch, command, maxStalled, prepare } = settings;
  const outputs = [...new Set(settings.jobs.flatMap((job) => job.outputs))].sort();
  const eachFolder = `for folder in ${[...outputs, ...settings.clones].map(word).join(' ')}; do`;
  const workflow = {
    when: [{ event: ['push', 'manual'], branch }, { event: 'pull_request' }],
    labels: { backend: 'local' },
    steps: [
      {
        name: 'leg',
        image: 'bash',
        environment: { RBM_RESUME_TOKEN: { from_secret: 'rbm_resume_token' } },
        commands: [
          script([
            'set -eu',
            // The service tells a job the number of its repository, which its API wants, in this address only.
            'repository=${CI_PIPELINE_URL#"$CI_SYSTEM_URL"/repos/} repository=${repository%%/*}',
            // Pull requests apart from branches. Nothing but their approval keeps a stranger's job out of the others, though.
            `carry="\${RBM_RESUME_CARRY:-/var/cache/rbm-resume}/$repository/${name}/\${CI_COMMIT_PULL_REQUEST:+pr-}\${CI_COMMIT_PULL_REQUEST:-branch}"`,
            'mkdir -p "$carry"',
            // Two pipelines of a branch may run at once.
            'exec 8> "$carry/lock"; flock 8',
            eachFolder,
            // Killed between the two renames below: all had been copied by then.
            '  if [ ! -e "$carry/$folder" ] && [ -e "$carry/$folder.next" ]; then mv "$carry/$folder.next" "$carry/$folder"; fi',
            '  mkdir -p "$folder" "$carry/$folder"',
            '  cp -a "$carry/$folder/." "$folder/"',
            'done',
            'exec 8>&-',
            ...prepare,
            'outcome=$(mktemp) status=0',
            'stalled=$(cat "$carry/stalled" 2> /dev/null || echo 0)',
            `${command} leg "$carry" --started-at "$CI_PIPELINE_STARTED" --limit ${limitOf(settings)} --stalled "$stalled" --outcome "$outcome" -- \\`,
            `  ${buildCommand(settings, [settings])} || status=$?`,
            'if grep -q "^outcome=finished" "$outcome"; then',
            ...tidyCommands(settings, settings.jobs).map((line) => `  ${line}`),
            '  :',
            'fi',
            // rbm takes half a file for a whole one: what a job that is killed was copying is never looked at.
            'exec 8> "$carry/lock"; flock 8',
            eachFolder,
            '  rm -rf "$carry/$folder.next" "$carry/$folder.last"',
            '  cp -a "$folder" "$carry/$folder.next"',
            'done',
            'sync --file-system "$carry"',
            eachFolder,
            '  mv "$carry/$folder" "$carry/$folder.last"',
            '  mv "$carry/$folder.next" "$carry/$folder"',
            '  rm -rf "$carry/$folder.last"',
            'done',
            'exec 8>&-',
            'if [ "$status" -ne 0 ]; then exit "$status"; fi',
            'if grep -q "^outcome=finished" "$outcome"; then rm -f "$carry/stalled"; exit 0; fi',
            'if grep -q "^progress=true" "$outcome"; then stalled=0; else stalled=$((stalled + 1)); fi',
            'echo "$stalled" > "$carry/stalled"',
            `if [ "$stalled" -ge ${maxStalled} ]; then`,
            '  echo "$stalled legs in a row have come to nothing: the log says where it stood."; exit 1',
            'fi',
            'if [ -z "${RBM_RESUME_TOKEN:-}" ]; then',
            '  echo "Not finished yet: start this pipeline again (with the secret rbm_resume_token it does so itself)."; exit 1',
            'fi',
            'curl --fail --silent --show-error --retry 5 --request POST \\',
            '  --header "Authorization: Bearer $RBM_RESUME_TOKEN" \\',
            '  "$CI_SYSTEM_URL/api/repos/$repository/pipelines/$CI_PIPELINE_NUMBER"',
          ]),
        ],
      },
    ],
  };
  return [{ path: `.woodpecker/${name}.yaml`, text: toYaml(workflow, headOf('woodpecker', settings)) }];
}
