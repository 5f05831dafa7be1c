import { dirname } from 'node:path';
import { RbmResumeError } from '../errors.js';

/** What is asked of a planned build; `PlannedBuild` of a plan has more. */
export interface JobBuild {
  readonly id: string;
  readonly project: string;
  readonly step: string;
  readonly targets: readonly string[];
  /** Relative to the workspace where it lies inside. */
  readonly output: string;
  readonly needs: readonly string[];
  /** `false` when rbm makes it only on the way to what needs it, and no command builds just this. @default true */
  readonly isStandalone?: boolean | undefined;
}

/** One job: a heavy build alone, or light ones that need the same heavy ones. */
export interface CiJob {
  /** Letters, digits, `-` and `_`, beginning with a letter: an id for every service. */
  readonly id: string;
  readonly isHeavy: boolean;
  readonly builds: readonly JobBuild[];
  /** Those of {@link builds} that no other of them needs: whoever builds these builds all. */
  readonly roots: readonly JobBuild[];
  /** ids of the jobs whose outputs it takes, in order. */
  readonly needs: readonly string[];
  /** The folders that its outputs lie in, relative to the workspace where they lie inside; sorted. */
  readonly outputs: readonly string[];
}

/**
 * Divides a plan into jobs, in an order in which they can run. `heavy` names projects, or single builds by their ids.
 * @throws RbmResumeError `USAGE` for a heavy project that the plan does not have
 */
export function divideIntoJobs(all: readonly JobBuild[], heavy: readonly string[]): CiJob[] {
  const { builds, innerOutputs } = withoutInner(all);
  const isHeavy = (build: JobBuild): boolean => heavy.includes(build.project) || heavy.includes(build.id);
  const strange = heavy.find((name) => !builds.some(({ id, project }) => id === name || project === name));
  if (strange !== undefined) {
    throw new RbmResumeError('USAGE', `${strange} is not among what is built`, {
      hint: `These are: ${[...new Set(builds.map(({ project }) => project))].join(', ')}.`,
    });
  }
  const groups = new Map<string, JobBuild[]>();
  for (const [build, above] of heavyAbove(builds, isHeavy)) {
    const key = isHeavy(build) ? `heavy ${build.id}` : `light ${[...above].sort().join(' ')}`;
    groups.set(key, [...(groups.get(key) ?? []), build]);
  }
  return inOrder(named([...groups.values()], { isHeavy, innerOutputs }));
}

/** For each build the ids of the heavy ones that have to be built before it. */
function heavyAbove(
  builds: readonly JobBuild[],
  isHeavy: (build: JobBuild) => boolean,
): Map<JobBuild, ReadonlySet<string>> {
  const byId = new Map(builds.map((build) => [build.id, build]));
  const above = new Map<JobBuild, ReadonlySet<string>>();
  // A plan has each build after all that it needs.
  for (const build of builds) {
    const found = new Set<string>();
    for (const need of build.needs) {
      const needed = byId.get(need);
      if (needed === undefined) continue;
      if (isHeavy(needed)) found.add(needed.id);
      above.get(needed)?.forEach((id) => found.add(id));
    }
    above.set(build, found);
  }
  return above;
}

/** What is no build by itself is part of all that need it, and what it needs itself, they need. */
function withoutInner(all: readonly JobBuild[]): {
  readonly builds: JobBuild[];
  readonly innerOutputs: ReadonlyMap<string, readonly string[]>;
} {
  const inner = new Map(
    all.filter((build) => build.isStandalone === false).map((build) => [build.id, build]),
  );
  const innerOutputs = new Map<string, readonly string[]>();
  const builds = all
    .filter(({ id }) => !inner.has(id))
    .map((build) => {
      const needs = new Set<string>();
      const outputs = new Set<string>();
      const visit = (need: string): void => {
        const found = inner.get(need);
        if (found === undefined) return void needs.add(need);
        if (outputs.has(found.output)) return;
        outputs.add(found.output);
        found.needs.forEach(visit);
      };
      build.needs.forEach(visit);
      innerOutputs.set(build.id, [...outputs]);
      return { ...build, needs: [...needs] };
    });
  return { builds, innerOutputs };
}

interface Naming {
  readonly isHeavy: (build: JobBuild) => boolean;
  readonly innerOutputs: ReadonlyMap<string, readonly string[]>;
}

function named(groups: readonly JobBuild[][], { isHeavy, innerOutputs }: Naming): CiJob[] {
  const taken = new Set<string>();
  const nameOf = (builds: readonly JobBuild[]): string => {
    const [first] = builds;
    const base = first !== undefined && isHeavy(first) ? slug(first.id) : 'light';
    let name = base;
    for (let count = 2; taken.has(name); count += 1) name = `${base}-${count}`;
    taken.add(name);
    return name;
  };
  const jobs = groups.map((builds) => ({ id: nameOf(builds), builds }));
  const jobOf = new Map(jobs.flatMap(({ id, builds }) => builds.map((build) => [build.id, id])));
  return jobs.map(({ id, builds }) => {
    const needed = new Set(builds.flatMap((build) => build.needs));
    const needs = new Set([...needed].map((need) => jobOf.get(need)).filter((job) => job !== undefined));
    needs.delete(id);
    return {
      id,
      isHeavy: builds.some(isHeavy),
      builds,
      roots: builds.filter((build) => !needed.has(build.id)),
      needs: jobs.map((job) => job.id).filter((job) => needs.has(job)),
      outputs: [
        ...new Set(
          builds
            .flatMap((build) => [build.output, ...(innerOutputs.get(build.id) ?? [])])
            .map((output) => dirname(output)),
        ),
      ].sort(),
    };
  });
}

/**
 * What is something else in the configuration of a service: jobs of ours, and keywords of GitLab, which stand beside the jobs.
 * Source: GitLab, "CI/CD YAML syntax reference", job names and global keywords.
 */
const RESERVED: ReadonlySet<string> = new Set([
  ...['begin', 'complete', 'next-leg', 'bump'],
  ...['after_script', 'before_script', 'cache', 'default', 'false', 'image', 'include', 'nil', 'pages'],
  ...['services', 'spec', 'stages', 'true', 'types', 'variables', 'workflow'],
]);

const slug = (id: string): string => {
  const text = id.replace(/[^A-Za-z0-9_]+/g, '-').replace(/^-|-$/g, '');
  return /^[A-Za-z]/.test(text) && !RESERVED.has(text) ? text : `build-${text}`;
};

/** A job needs none that has not all it needs: what a light group needs, needs fewer heavy builds than it does. */
function inOrder(jobs: readonly CiJob[]): CiJob[] {
  const ordered: CiJob[] = [];
  const done = new Set<string>();
  const left = new Set(jobs);
  while (left.size > 0) {
    const ready = [...left].filter(({ needs }) => needs.every((need) => done.has(need)));
    if (ready.length === 0) throw new Error('the jobs of a plan need each other');
    for (const job of ready) {
      ordered.push(job);
      done.add(job.id);
      left.delete(job);
    }
  }
  return ordered;
}

/** All jobs that a job needs, also by way of others. */
export function allNeedsOf(job: CiJob, jobs: readonly CiJob[]): CiJob[] {
  const found = new Set<CiJob>();
  const visit = (one: CiJob) =>
    jobs
      .filter(({ id }) => one.needs.includes(id))
      .forEach((needed) => {
        if (found.has(needed)) return;
        found.add(needed);
        visit(needed);
      });
  visit(job);
  return jobs.filter((one) => found.has(one));
}
