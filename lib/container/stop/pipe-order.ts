import { componentsOf, type Graph } from './components.js';

/** A living process of a script, as far as the order of stopping depends on it. */
export interface OrderedProcess {
  readonly pid: number;
  /** The living processes of the script that it descends from, as it was first seen: also through dead ones. */
  readonly ancestors: readonly number[];
  readonly isShell: boolean;
  /** Whether another process of the script needs it to run in order to die, as a traced one needs its tracer. */
  readonly isTracer: boolean;
  readonly ends: readonly PipeEnd[];
}

/** A descriptor that leads to a pipe. */
export interface PipeEnd {
  readonly pipe: string;
  readonly fd: number;
  readonly canRead: boolean;
  readonly canWrite: boolean;
}

/**
 * What a process may do now. `now`: it is its turn to end. `running`: it reads what others still write, and runs until
 * they are gone. `frozen`: it stays stopped until those are gone that it waits for.
 */
export type Turn = 'now' | 'running' | 'frozen';

export interface Order {
  readonly turns: ReadonlyMap<number, Turn>;
  /** Ends of pipes that nobody reads though somebody writes to them and may be blocked: one for each pipe. */
  readonly unread: readonly { readonly pid: number; readonly fd: number; readonly pipe: string }[];
}

export interface OrderOptions {
  /** False drops the wait for descendants: whoever is no shell may go before them. */
  readonly areParentsHeld: boolean;
  /** Those that have had their turn for long: what they write to, its readers seem not to read. */
  readonly slow: ReadonlySet<number>;
}

/**
 * Tells whose turn it is to end. Everybody waits for what descends from it, so that a script ends from its leaves up:
 * `make` finds its recipes dead before it deletes their targets, and no parent is there to wake a frozen shell.
 * Who only reads a pipe waits for those that write to it, or they would die of SIGPIPE before they have cleaned up.
 *
 * Frozen shells write nothing any more, so nobody waits for a shell as a writer, and a shell itself waits only for
 * processes that are no shells. A process that holds both ends of a pipe (make's jobserver) orders nothing. Among
 * processes that write to each other in a circle nobody waits; where a child reads what a process above it writes,
 * the writer goes first. So somebody's turn is always now.
 */
export function orderProcesses(living: readonly OrderedProcess[], options: OrderOptions): Order {
  const below = descendantsOf(living);
  const writers = writersFor(living);
  const component = componentsOf(union(below, writers));
  const turns = new Map<number, Turn>();
  for (const { pid, isShell, isTracer } of living) {
    const descendants = [...(below.get(pid) ?? [])];
    const isWaitedFor = (other: number): boolean => {
      if (isShell) return true;
      return options.areParentsHeld && !isTracer && component.get(other) !== component.get(pid);
    };
    const isHeldBelow = descendants.some(isWaitedFor);
    const isHeldByWriter = [...(writers.get(pid) ?? [])].some(
      (writer) => !descendants.includes(writer) || isWaitedFor(writer),
    );
    if (!isHeldBelow && !isHeldByWriter) turns.set(pid, 'now');
    else turns.set(pid, isShell || descendants.length > 0 ? 'frozen' : 'running');
  }
  const isFrozen = ({ pid, isShell }: OrderedProcess): boolean => isShell || turns.get(pid) === 'frozen';
  return { turns, unread: unreadEnds(living, { isFrozen, slow: options.slow }) };
}

/** For each process the living ones that descend from it; for a shell, only those that are no shells. */
function descendantsOf(living: readonly OrderedProcess[]): Graph {
  const below = new Map(living.map(({ pid }) => [pid, new Set<number>()]));
  const shells = new Set(living.filter(({ isShell }) => isShell).map(({ pid }) => pid));
  for (const { pid, isShell, ancestors } of living) {
    for (const above of ancestors) if (!isShell || !shells.has(above)) below.get(above)?.add(pid);
  }
  return below;
}

/** For each process that only reads a pipe those that write to it and are no shells, without the circles. */
function writersFor(living: readonly OrderedProcess[]): Graph {
  const writersOf = new Map<string, Set<number>>();
  for (const { pid, ends, isShell } of living) {
    if (isShell) continue;
    for (const { pipe } of ends.filter(({ canWrite }) => canWrite)) {
      writersOf.set(pipe, (writersOf.get(pipe) ?? new Set()).add(pid));
    }
  }
  const writers: Graph = new Map(
    living.map((process) => [
      process.pid,
      new Set(pureReads(process).flatMap(({ pipe }) => [...(writersOf.get(pipe) ?? [])])),
    ]),
  );
  const component = componentsOf(writers);
  const isApart = (a: number, b: number): boolean => component.get(a) !== component.get(b);
  return new Map([...writers].map(([pid, set]) => [pid, new Set([...set].filter((w) => isApart(pid, w)))]));
}

/** The ends of pipes that a process reads and holds no other end of. */
function pureReads({ ends }: OrderedProcess): PipeEnd[] {
  const written = new Set(ends.filter(({ canWrite }) => canWrite).map(({ pipe }) => pipe));
  return ends.filter(({ pipe, canRead }) => canRead && !written.has(pipe));
}

function unreadEnds(
  living: readonly OrderedProcess[],
  options: { readonly isFrozen: (process: OrderedProcess) => boolean; readonly slow: ReadonlySet<number> },
): Order['unread'] {
  const { isFrozen, slow } = options;
  const ends = living.flatMap((process) => process.ends.map((end) => ({ ...end, process })));
  const pipes = (isMeant: (end: (typeof ends)[number]) => boolean): Set<string> =>
    new Set(ends.filter(isMeant).map(({ pipe }) => pipe));
  const written = pipes(({ canWrite, process }) => canWrite && !process.isShell);
  const read = pipes(({ canRead, process }) => canRead && !isFrozen(process));
  const blocking = pipes(({ canWrite, process }) => canWrite && slow.has(process.pid));
  const unread = new Map<string, { pid: number; fd: number; pipe: string }>();
  for (const process of living) {
    for (const { pipe, fd } of pureReads(process)) {
      const isUnread = blocking.has(pipe) || (written.has(pipe) && !read.has(pipe));
      if (isUnread) unread.set(pipe, { pid: process.pid, fd, pipe });
    }
  }
  return [...unread.values()];
}

const union = (a: Graph, b: Graph): Graph =>
  new Map([...a].map(([node, edges]) => [node, new Set([...edges, ...(b.get(node) ?? [])])]));
