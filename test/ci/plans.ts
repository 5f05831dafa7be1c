/** A build of a plan as `ciFiles` takes it, named after its project. */
export const plannedBuild = (
  project: string,
  needs: readonly string[] = [],
  targets: readonly string[] = [],
) => ({
  ...{ id: project, project, step: 'build', targets, needs },
  output: `out/${project}/${project}.tar`,
});
