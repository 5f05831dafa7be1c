import * as v from 'valibot';
import { readJsonFile } from '../store/json-file.js';
import type { Plan } from './planned-build.js';

const texts = v.array(v.string());

const plannedBuild = v.object({
  id: v.string(),
  project: v.string(),
  step: v.string(),
  targets: texts,
  filename: v.string(),
  output: v.string(),
  isNameKnown: v.boolean(),
  state: v.picklist(['built', 'kept', 'to-do']),
  isNeeded: v.boolean(),
  isStandalone: v.boolean(),
  needs: texts,
  unknown: texts,
});
/** More than any workspace has; a picture of more is of no use. */
const MOST_BUILDS = 5000;
const planSchema = v.pipe(
  v.object({
    project: v.string(),
    step: v.string(),
    targets: texts,
    builds: v.pipe(v.array(plannedBuild), v.minLength(1), v.maxLength(MOST_BUILDS)),
  }),
  v.check(({ builds }) => {
    const before = new Set<string>();
    return builds.every(({ id, needs }) => {
      const isInOrder = !before.has(id) && needs.every((need) => before.has(need));
      before.add(id);
      return isInOrder;
    });
  }, 'each build once, and after all that it needs'),
);

/**
 * What `plan --json` has printed.
 * @throws RbmResumeError `NO_SUCH_FILE`; `BAD_STATEMENT` where it is something else, or no order in which rbm can build
 */
export const readPlanFile = async (file: string): Promise<Plan> =>
  readJsonFile(file, { schema: planSchema, what: 'no output of `rbm-resume plan --json`' });
