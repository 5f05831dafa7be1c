import dagre from '@dagrejs/dagre';

/** What is used of it; its own declarations import files by names that NodeNext does not resolve. */
interface LayoutGraph {
  readonly setGraph: (label: Readonly<Record<string, string | number>>) => void;
  readonly setDefaultEdgeLabel: (label: () => object) => void;
  readonly setNode: (id: string, size: { width: number; height: number }) => void;
  readonly setEdge: (from: string, to: string) => void;
  readonly graph: () => { readonly width?: number; readonly height?: number };
  readonly nodes: () => string[];
  readonly node: (id: string) => Box;
  readonly edges: () => { readonly v: string; readonly w: string }[];
  readonly edge: (from: string, to: string) => { readonly points: readonly Point[] };
}
interface Dagre {
  readonly graphlib: { readonly Graph: new () => LayoutGraph };
  readonly layout: (graph: LayoutGraph) => void;
}
const { graphlib, layout } = dagre as unknown as Dagre;

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Box extends Point {
  readonly width: number;
  readonly height: number;
}

/** Where everything stands, in pixels; a box's `x` and `y` are its middle. */
export interface Layout {
  readonly width: number;
  readonly height: number;
  readonly boxes: ReadonlyMap<string, Box>;
  readonly arrows: readonly {
    readonly from: string;
    readonly to: string;
    readonly points: readonly Point[];
  }[];
}

/** A graph to lay out: for each node its size and the nodes that arrows come from. */
export type LayoutNode = Readonly<{ id: string; width: number; height: number; from: readonly string[] }>;

/** Lays out a graph without cycles in layers, arrows going down. */
export function layOut(nodes: readonly LayoutNode[]): Layout {
  const graph = new graphlib.Graph();
  graph.setGraph({ rankdir: 'TB', nodesep: 18, edgesep: 8, ranksep: 42, marginx: 24, marginy: 24 });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const { id, width, height } of nodes) graph.setNode(id, { width, height });
  for (const { id, from } of nodes) for (const other of from) graph.setEdge(other, id);
  layout(graph);
  const { width = 0, height = 0 } = graph.graph();
  return {
    width,
    height,
    boxes: new Map(graph.nodes().map((id) => [id, graph.node(id)])),
    arrows: graph.edges().map(({ v, w }) => ({ from: v, to: w, points: graph.edge(v, w).points })),
  };
}

/** For each node those of its `from` that no longer way leads from: drawn arrows that tell all of the graph. */
export function withoutDetours(nodes: readonly LayoutNode[]): LayoutNode[] {
  const before = new Map(nodes.map(({ id, from }) => [id, from]));
  const reach = new Map<string, ReadonlySet<string>>();
  const reachOf = (id: string): ReadonlySet<string> => {
    const known = reach.get(id);
    if (known !== undefined) return known;
    reach.set(id, new Set());
    const all = new Set((before.get(id) ?? []).flatMap((other) => [other, ...reachOf(other)]));
    reach.set(id, all);
    return all;
  };
  return nodes.map((node) => ({
    ...node,
    from: node.from.filter((id) => !node.from.some((other) => other !== id && reachOf(other).has(id))),
  }));
}
