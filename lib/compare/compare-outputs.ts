import type { OutputSource, ToldOutput } from './read-outputs.js';

/** What several builders say of one output. */
export interface ComparedOutput {
  readonly name: string;
  /** `lonely`: not every one of them has built it, and those that have agree. */
  readonly verdict: 'equal' | 'different' | 'lonely';
  /** In the order of the sources; `null` where one says nothing of it. */
  readonly told: readonly (ToldOutput | null)[];
}

/** Compares what builders say of their outputs, each by its name. The results are sorted by name. */
export function compareOutputs(sources: readonly OutputSource[]): ComparedOutput[] {
  const names = new Set(sources.flatMap(({ outputs }) => [...outputs.keys()]));
  return [...names].sort().map((name) => {
    const told = sources.map(({ outputs }) => outputs.get(name) ?? null);
    const digests = new Set(told.flatMap((one) => one?.sha256 ?? []));
    const isEverywhere = !told.includes(null);
    return { name, verdict: digests.size > 1 ? 'different' : isEverywhere ? 'equal' : 'lonely', told };
  });
}
