import { parseArgs } from 'node:util';
import { exitContainer } from '../container/on-exit.js';
import {
  currentRemote,
  currentRun,
  requiredPath,
  runHook,
  runLower,
  say,
  trustOf,
} from './hook-arguments.js';

function provenanceOf({
  RBM_RESUME_PROVENANCE: to = '',
  RBM_RESUME_OUTPUT_FILE: output = '',
}: NodeJS.ProcessEnv) {
  return to === '' || output === '' ? null : { to, output };
}

/** The program `hooks/container-exit`; docs/hooks.md describes its arguments and environment. */
export const main = (): Promise<void> =>
  runHook(async () => {
    const { values } = parseArgs({
      options: {
        container: { type: 'string' },
        store: { type: 'string' },
        policy: { type: 'string' },
        class: { type: 'string' },
        'remove-with': { type: 'string' },
      },
    });
    const { env } = process;
    const removeWith = values['remove-with'];
    const store = requiredPath(values.store ?? env.RBM_RESUME_STORE, '--store');
    const result = await exitContainer({
      container: requiredPath(values.container ?? env.RBM_RESUME_CONTAINER, '--container'),
      store,
      run: currentRun(),
      trust: await trustOf({ policy: values.policy, class: values.class }, store),
      remote: currentRemote(),
      provenance: provenanceOf(env),
      onProgress: say,
      ...(removeWith === undefined
        ? {}
        : { remove: () => runLower(requiredPath(removeWith, '--remove-with')) }),
    });
    result.notes.forEach(say);
    return 0;
  });
