import { parseArgs } from 'node:util';
import { text } from 'node:stream/consumers';
import { builderOf } from '../container/builder.js';
import { createContainer, leaveNotice } from '../container/on-create.js';
import { RbmResumeError } from '../errors.js';
import { RESUME_MODES, type ResumeMode } from '../store/record.js';
import {
  currentRemote,
  currentRun,
  requiredPath,
  runHook,
  runLower,
  say,
  trustOf,
} from './hook-arguments.js';

/** The status that says: rbm's own way of starting failed, or the run was interrupted; there is nothing left to try. */
const START_FAILED = 3;

function parseMode(mode: string): ResumeMode {
  const known = RESUME_MODES.find((one) => one === mode);
  if (known !== undefined) return known;
  throw new RbmResumeError('USAGE', `the mode is '${mode}'; it can be ${RESUME_MODES.join(', ')}`);
}

/** The program `hooks/container-create`; docs/hooks.md describes its arguments and environment. */
export const main = (): Promise<void> =>
  runHook(async () => {
    const { values } = parseArgs({
      options: {
        container: { type: 'string' },
        store: { type: 'string' },
        policy: { type: 'string' },
        class: { type: 'string' },
        project: { type: 'string' },
        mode: { type: 'string' },
        'clean-path': { type: 'string' },
      },
    });
    const { env } = process;
    const container = requiredPath(values.container ?? env.RBM_RESUME_CONTAINER, '--container');
    const store = requiredPath(values.store ?? env.RBM_RESUME_STORE, '--store');
    const cleanPath = requiredPath(values['clean-path'], '--clean-path');
    const description = process.stdin.isTTY ? '' : (await text(process.stdin)).trim();
    const result = await createContainer({
      container,
      store,
      description: description === '' ? null : description,
      mode: parseMode(values.mode ?? env.RBM_RESUME_MODE ?? 'rerun'),
      startClean: () => runLower(cleanPath),
      ownerPid: Number(env.RBM_RESUME_OWNER ?? process.ppid),
      project: values.project ?? env.RBM_RESUME_PROJECT ?? 'the build',
      workspace: env.RBM_RESUME_WORKSPACE ?? null,
      inputsDir: env.RBM_RESUME_INPUTS ?? null,
      keepFailed: env.RBM_RESUME_KEEP_FAILED === '1',
      run: currentRun(),
      trust: await trustOf({ policy: values.policy, class: values.class }, store),
      remote: currentRemote(),
      builder: builderOf(env),
    });
    result.notes.forEach(say);
    await leaveNotice(store, container, result.notes);
    return result.how === 'clean' || result.how === 'resumed' ? 0 : START_FAILED;
  });
