import { hasSignal, type ContainerProcess } from './process-status.js';

/** How far the clock has driven the stopping of a script. */
export type Stage = 'SIGINT' | 'SIGTERM' | 'SIGKILL';

/**
 * The signal that asks a process to end: SIGINT, on which programs tidy up; SIGTERM where SIGINT is ignored, as in all
 * that a shell started in the background, or was not enough. `null` when neither would be heard.
 */
export function stoppingSignal(process: ContainerProcess, stage: Stage): 'SIGINT' | 'SIGTERM' | null {
  if (stage === 'SIGINT' && !isDeafTo(process, 'SIGINT')) return 'SIGINT';
  return isDeafTo(process, 'SIGTERM') ? null : 'SIGTERM';
}

/**
 * Whether a signal would be thrown away. The first process of a pid namespace hears only what it has a handler for
 * (pid_namespaces(7)). One that only blocks a signal gets it later, or hears it in its own way (signalfd, ppoll).
 */
function isDeafTo({ ignored, caught, namespacePids }: ContainerProcess, signal: NodeJS.Signals): boolean {
  return hasSignal(ignored, signal) || (namespacePids.at(-1) === 1 && !hasSignal(caught, signal));
}
