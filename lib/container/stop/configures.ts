import { basename } from 'node:path';
import { traceTo } from '../../trace.js';
import { commandLineOf, exitStatusOf, isAlive, type ContainerProcess } from './process-status.js';
import type { Member } from './script-members.js';
import type { Clock, ScriptTree } from './script-tree.js';
import { isShell } from './shells.js';
import type { TimeLimit } from './time-limit.js';

const trace = traceTo('interrupt');

const CONFIGURE_NAMES: ReadonlySet<string> = new Set(['configure', 'config.status']);
const POLL_MS = 20;

export interface EndedConfigures {
  /** What one has said by its exit status, for a person; `null` when none has failed. */
  readonly failure: string | null;
  /** The command lines of those that did not end in time. */
  readonly unfinished: readonly string[];
}

/**
 * Lets each `configure` that a program of the script has begun, such as make, run on alone until it ends, and nothing
 * else: what would begin the next one stays frozen.
 *
 * A folder in which it was cut off looks configured as soon as it has written the Makefile there, which is neither the
 * last of its files nor the last of its folders: the Makefile of GCC and binutils then goes on without the others
 * (`test ! -f $$subdir/Makefile || exit 0`).
 * @param tree frozen; it is again when this returns
 * @param options.limit how long they may take; `null`: no time at all
 */
export async function letConfiguresEnd(
  tree: ScriptTree,
  options: { readonly clock: Clock; readonly limit: TimeLimit | null },
): Promise<EndedConfigures> {
  const { clock, limit } = options;
  const begun = tree.members.living.filter(isBegunByProgram);
  if (begun.length === 0) return { failure: null, unfinished: [] };
  trace('%d configure scripts may end first', begun.length);
  const released = tree.members.living.filter((member) =>
    [member, ...member.ancestors].some((each) => begun.includes(each)),
  );
  for (const member of released) if (!member.wasStopped) tree.send(member, 'SIGCONT');
  while (begun.some(({ process }) => isAlive(process)) && limit?.isOver === false) await clock.sleep(POLL_MS);
  await tree.freeze();
  await tree.readFilesOf(released);
  const failures = begun.flatMap(({ process }) => {
    const status = exitStatusOf(process) ?? 0;
    return status === 0 ? [] : [`${commandLineOf(process)}: exit status ${status}`];
  });
  return {
    failure: failures[0] ?? null,
    unfinished: begun.filter(({ isLiving }) => isLiving).map(({ process }) => commandLineOf(process)),
  };
}

/** A topmost one: those that it starts itself end before it. */
const isBegunByProgram = ({ process, ancestors }: Member): boolean =>
  isConfigure(process) &&
  ancestors.some((above) => !isShell(above.process)) &&
  !ancestors.some((above) => isConfigure(above.process));

/** By the script that its shell runs: `/bin/sh ../configure --prefix=/usr`. */
function isConfigure(process: ContainerProcess): boolean {
  if (!isShell(process)) return false;
  const script = process.command.slice(1).find((word) => !word.startsWith('-'));
  return script !== undefined && CONFIGURE_NAMES.has(basename(script));
}
