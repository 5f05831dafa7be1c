/** A directed graph: each node with those that its edges lead to. Edges to nodes that are no keys are ignored. */
export type Graph = ReadonlyMap<number, ReadonlySet<number>>;

interface Visit {
  readonly index: number;
  low: number;
  isOpen: boolean;
}

/**
 * Numbers the strongly connected components of a graph: two nodes share a number exactly when each reaches the other,
 * so an edge lies on a cycle exactly when both its ends do.
 *
 * Source: R. Tarjan, "Depth-first search and linear graph algorithms", 1972; without recursion, since trees of
 * processes can be deep.
 */
export function componentsOf(graph: Graph): ReadonlyMap<number, number> {
  const component = new Map<number, number>();
  const visits = new Map<number, Visit>();
  const open: number[] = [];
  const enter = (node: number) => {
    const visit = { index: visits.size, low: visits.size, isOpen: true };
    visits.set(node, visit);
    open.push(node);
    return { node, visit, edges: (graph.get(node) ?? new Set<number>()).values() };
  };
  const close = (node: number): void => {
    for (let member = open.pop(); member !== undefined; member = open.pop()) {
      component.set(member, node);
      const visit = visits.get(member);
      if (visit) visit.isOpen = false;
      if (member === node) return;
    }
  };
  for (const root of graph.keys()) {
    if (visits.has(root)) continue;
    const path = [enter(root)];
    for (let step = path.at(-1); step !== undefined; step = path.at(-1)) {
      const { node, visit, edges } = step;
      const next = edges.next();
      if (next.done === true) {
        path.pop();
        const above = path.at(-1);
        if (above) above.visit.low = Math.min(above.visit.low, visit.low);
        if (visit.low === visit.index) close(node);
      } else if (graph.has(next.value)) {
        const seen = visits.get(next.value);
        if (seen === undefined) path.push(enter(next.value));
        else if (seen.isOpen) visit.low = Math.min(visit.low, seen.index);
      }
    }
  }
  return component;
}
