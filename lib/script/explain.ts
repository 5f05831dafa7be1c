import { findEntry } from './entries.js';
import type { Hazard } from './hazard.js';
import { findHazards } from './hazards.js';
import { whyNotEntered } from './not-entered.js';
import { summaryOf } from './outline.js';
import { isRestartable } from './restartable.js';
import { rewriteScript } from './rewrite.js';
import { contains, lineOf, parseScript, type ScriptSyntax, type Statement } from './syntax.js';
import type { ScriptUnits, Unit } from './units.js';

/** A unit as a person is told of it. */
export interface ExplainedUnit {
  readonly id: string;
  readonly line: number;
  readonly endLine: number;
  /** Its first line. */
  readonly text: string;
  /** How deep it lies in loops, branches and functions. */
  readonly depth: number;
  /** What an interrupt does when it finds the unit running. */
  readonly onInterrupt: 'wait' | 'at-once';
  /** Why no state is kept before it, so that it begins again with the units in front of it. */
  readonly heldBecause: string | null;
  /** Why it is one unit though there are statements in it. */
  readonly wholeBecause: string | null;
}

export type ExplainedScript =
  | {
      readonly how: 'divided';
      /** How many units the script has at its top level. */
      readonly count: number;
      /** In the order of the file, those of functions behind their definitions. */
      readonly units: readonly ExplainedUnit[];
      readonly hazards: readonly Hazard[];
    }
  /** It runs as it is, and nothing is kept while it does. */
  | { readonly how: 'as-it-is'; readonly reason: string };

/** Tells what a resumed build would do with a script. */
export async function explainScript(source: Buffer): Promise<ExplainedScript> {
  const rewritten = await rewriteScript(source);
  if (rewritten.script === null) return { how: 'as-it-is', reason: rewritten.reason };
  const { syntax, ...failed } = await parseScript(source);
  if (syntax === null) return { how: 'as-it-is', reason: 'reason' in failed ? failed.reason : '' };
  return {
    how: 'divided',
    count: rewritten.units.units.length,
    units: new Explainer(syntax, rewritten.units).explain(),
    hazards: findHazards(syntax),
  };
}

/** By what is begun; `LINE` is where. */
const HELD: Readonly<Record<string, string>> = {
  'background job': 'what line LINE began may still run in the background',
  coprocess: 'the coprocess of line LINE can not be begun again',
  'redirected shell': 'line LINE has redirected the whole script, which can not be done again',
  'seeded RANDOM': 'the random numbers that line LINE began can not be taken up',
  'last match': 'what line LINE matched is used in it or after it',
};

class Explainer {
  readonly #syntax: ScriptSyntax;
  readonly #divided: ScriptUnits;
  /** By where they begin. */
  readonly #statements = new Map<number, Statement>();
  /** The ids of functions by where their definitions begin. */
  readonly #definitions = new Map<number, string>();
  readonly #explained: ExplainedUnit[] = [];
  #before: number | null = null;

  constructor(syntax: ScriptSyntax, divided: ScriptUnits) {
    this.#syntax = syntax;
    this.#divided = divided;
    for (const statement of syntax.statements) {
      contains(statement, (node) => {
        if (node.type === 'Statement') this.#statements.set(node.pos, node);
        return false;
      });
    }
    for (const unit of flat([...divided.units, ...[...divided.functions.values()].flat()])) {
      if (unit.calls !== null) this.#definitions.set(unit.calls.statement.pos, unit.calls.id);
    }
  }

  explain(): readonly ExplainedUnit[] {
    this.#addAll(this.#divided.units, 0);
    return this.#explained;
  }

  #addAll(units: readonly Unit[], depth: number): void {
    for (const unit of units) {
      if (unit.heldBackBy === null) this.#before = unit.line;
      this.#explained.push(this.#explainUnit(unit, depth));
      this.#addAll(unit.units, depth + 1);
      const called = unit.isDefinition ? this.#definitions.get(unit.start) : undefined;
      if (called !== undefined) this.#addAll(this.#divided.functions.get(called) ?? [], depth + 1);
    }
  }

  #explainUnit(unit: Unit, depth: number): ExplainedUnit {
    const { id, line, endLine } = unit;
    const text = summaryOf(unit, this.#syntax.text);
    return {
      id,
      line,
      endLine,
      text,
      depth,
      onInterrupt: isRestartable(text) ? 'at-once' : 'wait',
      heldBecause:
        unit.heldBackBy === null
          ? null
          : (HELD[unit.heldBackBy] ?? unit.heldBackBy).replace('LINE', String(this.#before ?? line)),
      wholeBecause: unit.entry === null ? this.#whyWhole(unit) : null,
    };
  }

  #whyWhole(unit: Unit): string | null {
    const statement = this.#statements.get(unit.start);
    if (statement === undefined || unit.heldBackBy !== null) return null;
    if (statement.end < unit.end) {
      const [last] = [...this.#statements.values()].filter(
        ({ pos }) => pos < unit.end && pos > statement.end,
      );
      const line = lineOf(this.#syntax.text, last?.pos ?? statement.end);
      return `line ${line} uses what it leaves in $_ or PIPESTATUS`;
    }
    if (unit.isDefinition) {
      return this.#definitions.has(unit.start) ? null : 'its body is part of each unit that calls it';
    }
    const why = whyNotEntered(statement, this.#syntax.text);
    if (why !== null || findEntry(statement, this.#syntax.text) === null) return why;
    return 'something that it begins is still there when it has ended';
  }
}

const flat = (units: readonly Unit[]): Unit[] => units.flatMap((unit) => [unit, ...flat(unit.units)]);
