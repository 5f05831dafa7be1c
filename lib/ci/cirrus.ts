import { allNeedsOf, type CiJob } from './jobs.js';
import {
  buildCommand,
  carryDir,
  headOf,
  limitOf,
  minutesOf,
  nameOf,
  type CiFile,
  type CiSettings,
} from './settings.js';
import { script, toYaml } from './yaml.js';

/** When the task began. */
const BEGAN = '/tmp/rbm-resume-began';

/** How many tasks each job gets: Cirrus CI starts none by itself. */
const LEGS = { heavy: 8, light: 2 };

/**
 * A fixed chain of tasks, each of which depends on the one before. Cirrus CI itself closed in June 2026; what speaks its
 * language may still want it. A chain can run out: the last task of each job fails where the build is not finished.
 */
export function cirrusFiles(settings: CiSettings): CiFile[] {
  const tasks = settings.jobs.flatMap((job) => tasksOf(settings, job));
  return [{ path: '.cirrus.yml', text: toYaml(Object.fromEntries(tasks), headOf('cirrus', settings)) }];
}

function tasksOf(settings: CiSettings, job: CiJob): [string, object][] {
  const legs = legsOf(job);
  return Array.from({ length: legs }, (_, index) => {
    const before = index > 0 ? [taskName(job, index)] : job.needs.map((id) => lastTask(settings.jobs, id));
    return [
      `${taskName(job, index + 1)}_task`,
      taskOf(settings, job, { before, isLast: index === legs - 1 }),
    ];
  });
}

const legsOf = ({ isHeavy }: CiJob): number => (isHeavy ? LEGS.heavy : LEGS.light);

const taskName = ({ id }: CiJob, leg: number): string => `${id.replaceAll('-', '_')}_${leg}`;

function lastTask(jobs: readonly CiJob[], id: string): string {
  const job = jobs.find((one) => one.id === id);
  if (job === undefined) throw new Error(`there is no job ${id}`);
  return taskName(job, legsOf(job));
}

function taskOf(
  settings: CiSettings,
  job: CiJob,
  at: { readonly before: readonly string[]; readonly isLast: boolean },
): object {
  const { command, jobs, prepare, clones } = settings;
  const dir = carryDir(job);
  const outputs = [...new Set([...allNeedsOf(job, jobs), job].flatMap((one) => one.outputs))];
  const cached = [
    ...outputs.map((path) => ({ path, key: `out-${path}` })),
    ...clones.map((path) => ({ path, key: `clones-${job.id}-${path}` })),
    { path: dir, key: `carry-${job.id}` },
  ];
  return {
    ...(at.before.length === 0 ? {} : { depends_on: at.before }),
    timeout_in: `${minutesOf(settings)}m`,
    // Debian's own Node.js is too old, and rbm is a submodule in most workspaces.
    container: { image: 'node:22-bookworm', cpu: 8, memory: '16G' },
    env: { CIRRUS_CLONE_SUBMODULES: 'true' },
    // Before the caches, which take time to fetch.
    began_script: [`date +%s > ${BEGAN}`],
    ...Object.fromEntries(
      cached.map(({ path, key }) => [
        `${key.replace(/[^A-Za-z0-9]+/g, '_')}_cache`,
        {
          folder: path,
          fingerprint_script: [`echo ${nameOf(settings)}-${key}-\${CIRRUS_PR:-branch}`],
          reupload_on_changes: true,
          populate_script: [`mkdir -p ${path}`],
        },
      ]),
    ),
    leg_script: [
      script([
        'set -eu',
        `began=$(cat ${BEGAN}) outcome=$(mktemp)`,
        ...prepare,
        `${command} leg ${dir} --started-at "$began" --limit ${limitOf(settings)} --outcome "$outcome" -- \\`,
        `  ${buildCommand(settings, job.roots)}`,
        ...(at.isLast
          ? [
              'grep -q "^outcome=finished" "$outcome" || { echo "Not finished, and no task is left."; exit 1; }',
            ]
          : []),
      ]),
    ],
  };
}
