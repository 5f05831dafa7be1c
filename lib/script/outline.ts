import type { ScriptUnits, Unit } from './units.js';

/** What a person is told of a script's units. */
export interface Outline {
  /** How many units the script has at its top level. */
  readonly count: number;
  /** By id. */
  readonly units: Readonly<Record<string, { readonly line: number; readonly text: string }>>;
}

const LONGEST = 100;

export function outlineOf({ units, functions }: ScriptUnits, source: Buffer): Outline {
  const text = source.toString('latin1');
  const entries: [string, { line: number; text: string }][] = [];
  const add = (unit: Unit): void => {
    entries.push([unit.id, { line: unit.line, text: summaryOf(unit, text) }]);
    unit.units.forEach(add);
  };
  units.forEach(add);
  for (const inside of functions.values()) inside.forEach(add);
  return { count: units.length, units: Object.fromEntries(entries) };
}

/** The first line of a unit that says something, cut off. */
export function summaryOf({ start, end }: Pick<Unit, 'start' | 'end'>, text: string): string {
  const [line = ''] = text
    .slice(start, end)
    .replace(/\\\n\s*/g, '')
    .replace(/([|&])[ \t]*\n\s*/g, '$1 ')
    .split('\n');
  const summary = Buffer.from(line, 'latin1').toString('utf8').replace(/\s+/g, ' ').trim();
  return summary.length > LONGEST ? `${summary.slice(0, LONGEST - 1)}…` : summary;
}
