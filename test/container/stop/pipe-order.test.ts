import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { componentsOf } from '../../../lib/container/stop/components.js';
import { orderProcesses, type OrderedProcess, type PipeEnd } from '../../../lib/container/stop/pipe-order.js';

const NO_HURRY = { areParentsHeld: true, slow: new Set<number>() };

const reads = (pipe: string, fd = 0): PipeEnd => ({ pipe, fd, canRead: true, canWrite: false });
const writes = (pipe: string, fd = 1): PipeEnd => ({ pipe, fd, canRead: false, canWrite: true });

const program = (pid: number, ...ends: PipeEnd[]): OrderedProcess => ({
  pid,
  ancestors: [],
  isShell: false,
  isTracer: false,
  ends,
});
const shell = (pid: number, ...ends: PipeEnd[]): OrderedProcess => ({
  ...program(pid, ...ends),
  isShell: true,
});
const below = (process: OrderedProcess, ...ancestors: number[]): OrderedProcess => ({
  ...process,
  ancestors,
});

const turnsOf = (processes: readonly OrderedProcess[], options: Partial<typeof NO_HURRY> = {}) =>
  Object.fromEntries(orderProcesses(processes, { ...NO_HURRY, ...options }).turns);

describe('the order in which processes end', () => {
  it('lets a reader run until its writers are gone', () => {
    const [make, tee, gzip] = [
      program(1, writes('a')),
      program(2, reads('a'), writes('b')),
      program(3, reads('b')),
    ];
    assert.deepEqual(turnsOf([make, tee, gzip]), { 1: 'now', 2: 'running', 3: 'running' });
    assert.deepEqual(turnsOf([tee, gzip]), { 2: 'now', 3: 'running' });
    assert.deepEqual(turnsOf([gzip]), { 3: 'now' });
  });

  it('goes from the leaves up, shells included', () => {
    const [make, recipe, compiler] = [program(1), below(shell(2), 1), below(program(3), 2, 1)];
    assert.deepEqual(turnsOf([make, recipe, compiler]), { 1: 'frozen', 2: 'frozen', 3: 'now' });
    assert.deepEqual(turnsOf([make, recipe]), { 1: 'frozen', 2: 'now' });
    assert.deepEqual(turnsOf([make]), { 1: 'now' });
  });

  it('does not hold a shell for the shells below it', () => {
    assert.deepEqual(turnsOf([shell(1), below(shell(2), 1)]), { 1: 'now', 2: 'now' });
  });

  it('takes no order from a pipe that a process holds both ends of', () => {
    const both = { ...reads('jobs'), canWrite: true };
    assert.deepEqual(turnsOf([program(1, reads('jobs', 3), writes('jobs', 4)), program(2, both)]), {
      1: 'now',
      2: 'now',
    });
  });

  it('waits for no shell as a writer, since it is frozen', () => {
    assert.deepEqual(turnsOf([shell(1, writes('a')), program(2, reads('a'))]), { 1: 'now', 2: 'now' });
  });

  it('keeps a shell that reads until its writers are gone, and names its end as unread', () => {
    const processes = [program(1, writes('a')), shell(2, reads('a', 7))];
    const { turns, unread } = orderProcesses(processes, NO_HURRY);
    assert.deepEqual(Object.fromEntries(turns), { 1: 'now', 2: 'frozen' });
    assert.deepEqual(unread, [{ pid: 2, fd: 7, pipe: 'a' }]);
  });

  it('leaves a pipe alone that somebody reads, unless its writer is slow', () => {
    const processes = [program(1, writes('a')), shell(2, reads('a')), program(3, reads('a'))];
    assert.deepEqual(orderProcesses(processes, NO_HURRY).unread, []);
    assert.equal(orderProcesses(processes, { ...NO_HURRY, slow: new Set([1]) }).unread.length, 1);
    assert.equal(orderProcesses(processes, { ...NO_HURRY, slow: new Set([3]) }).unread.length, 0);
  });

  it('keeps a program that reads from its child, or has children, frozen', () => {
    const [cargo, rustc] = [program(1, reads('a')), below(program(2, writes('a')), 1)];
    assert.deepEqual(turnsOf([cargo, rustc]), { 1: 'frozen', 2: 'now' });
    assert.equal(orderProcesses([cargo, rustc], NO_HURRY).unread.length, 1);
  });

  it('lets a program go before the child that it feeds, and still after its other children', () => {
    const [feeder, worker, other] = [
      program(1, writes('a')),
      below(program(2, reads('a')), 1),
      below(program(3), 1),
    ];
    assert.deepEqual(turnsOf([feeder, worker, other]), { 1: 'frozen', 2: 'running', 3: 'now' });
    assert.deepEqual(turnsOf([feeder, worker]), { 1: 'now', 2: 'running' });
  });

  it('does not wait in a circle', () => {
    const circle = [program(1, writes('a'), reads('b')), program(2, reads('a'), writes('b'))];
    assert.deepEqual(turnsOf(circle), { 1: 'now', 2: 'now' });
  });

  it('lets a tracer run, which those that it traces need to die', () => {
    const [strace, make] = [{ ...program(1), isTracer: true }, below(program(2), 1)];
    assert.deepEqual(turnsOf([strace, make]), { 1: 'now', 2: 'now' });
  });

  it('stops holding parents, but neither readers nor shells, when the time is short', () => {
    const processes = [
      program(1, writes('a')),
      below(shell(2), 1),
      below(program(3), 2, 1),
      program(4, reads('a')),
      program(5, reads('b')),
      below(program(6, writes('b')), 5),
    ];
    assert.deepEqual(turnsOf(processes, { areParentsHeld: false }), {
      1: 'now',
      2: 'frozen',
      3: 'now',
      4: 'running',
      5: 'now',
      6: 'now',
    });
  });
});

/** Any tree of up to a dozen processes with any pipes between them. */
const anyProcesses = fc
  .array(
    fc.record({
      parent: fc.nat({ max: 11 }),
      isShell: fc.boolean(),
      isTracer: fc.boolean(),
      ends: fc.array(
        fc.record({
          pipe: fc.constantFrom('a', 'b', 'c', 'd'),
          fd: fc.nat(9),
          canRead: fc.boolean(),
          canWrite: fc.boolean(),
        }),
        { maxLength: 3 },
      ),
    }),
    { minLength: 1, maxLength: 12 },
  )
  .map((drafts) =>
    drafts.reduce<OrderedProcess[]>((processes, { parent, ...draft }, at) => {
      // A process may be an orphan, or descend from an earlier one.
      const above = parent < at ? processes[parent] : undefined;
      const ancestors = above ? [above.pid, ...above.ancestors] : [];
      return [...processes, { pid: at + 1, ancestors, ...draft }];
    }, []),
  );

describe('any order', () => {
  it('always is the turn of somebody, down to the last', () => {
    fc.assert(
      fc.property(anyProcesses, fc.boolean(), (processes, areParentsHeld) => {
        let living = processes;
        while (living.length > 0) {
          const { turns } = orderProcesses(living, { areParentsHeld, slow: new Set() });
          const left = living.filter(({ pid }) => turns.get(pid) !== 'now');
          assert.ok(left.length < living.length, JSON.stringify(living));
          const gone = new Set(living.filter((process) => !left.includes(process)).map(({ pid }) => pid));
          living = left.map((process) => ({
            ...process,
            ancestors: process.ancestors.filter((pid) => !gone.has(pid)),
          }));
        }
      }),
    );
  });

  it('never gives a shell its turn before a living program below it', () => {
    fc.assert(
      fc.property(anyProcesses, fc.boolean(), (processes, areParentsHeld) => {
        const { turns } = orderProcesses(processes, { areParentsHeld, slow: new Set() });
        for (const { pid } of processes.filter(({ isShell }) => isShell)) {
          const isHeld = processes.some(({ isShell, ancestors }) => !isShell && ancestors.includes(pid));
          if (isHeld) assert.equal(turns.get(pid), 'frozen');
        }
      }),
    );
  });
});

describe('components of a graph', () => {
  it('joins two nodes exactly when each reaches the other', () => {
    const anyGraph = fc.array(fc.uniqueArray(fc.nat(9)), { minLength: 1, maxLength: 10 });
    fc.assert(
      fc.property(anyGraph, (edges) => {
        const graph = new Map(edges.map((to, from) => [from, new Set(to)]));
        const reach = (from: number, seen = new Set<number>()): Set<number> => {
          for (const to of graph.get(from) ?? []) {
            if (!graph.has(to) || seen.has(to)) continue;
            reach(to, seen.add(to));
          }
          return seen;
        };
        const component = componentsOf(graph);
        for (const a of graph.keys()) {
          for (const b of graph.keys()) {
            const isJoined = a === b || (reach(a).has(b) && reach(b).has(a));
            assert.equal(component.get(a) === component.get(b), isJoined, `${a} ${b}`);
          }
        }
      }),
    );
  });

  it('copes with a chain deeper than the stack', () => {
    const graph = new Map(Array.from({ length: 100_000 }, (_, node) => [node, new Set([node + 1])]));
    assert.equal(new Set(componentsOf(graph).values()).size, 100_000);
  });
});
