import type { Word } from 'unbash';
import { findEntry, type Entry } from './entries.js';
import {
  findFunctions,
  setsLastCommand,
  usesLastArgument,
  usesLastCommand,
  type EnterableFunction,
  type ScriptFunctions,
} from './functions.js';
import { beginsUnrestorable, endsUnrestorable, type Unrestorable } from './hold-back.js';
import { contains, lineOf, textOf, type ScriptSyntax, type Statement, type SyntaxNode } from './syntax.js';

/** A part of a script that is run as a whole, or gone into: what was interrupted in it begins again there. */
export interface Unit {
  /** `7`; of what is in it `7.1`, `7.2`, in branches `7.1.1`; of what is in a function `f1.1`. */
  readonly id: string;
  /** The lines of the file that it stands on, from 1. */
  readonly line: number;
  readonly endLine: number;
  /** Offsets in the file. Here-documents that begin in it may lie behind `end`. */
  readonly start: number;
  readonly end: number;
  /** Nothing of it may follow a `;`: it ends in `&`. */
  readonly isBackground: boolean;
  /** A definition of a function, which is made again when the script is started again. */
  readonly isDefinition: boolean;
  /** Those that it is made of. */
  readonly statements: readonly Statement[];
  /** It decides how the lines after it are read, and so is run again, too. */
  readonly decidesReading: boolean;
  /** Why no state is kept before it: it belongs to the unit before. */
  readonly heldBackBy: Unrestorable | 'inside of the shell' | null;
  /** The function that it calls and that is gone into. */
  readonly calls: EnterableFunction | null;
  /** How what is in it is gone into. */
  readonly entry: Entry | null;
  /** What is in it, in the order of the file: its own units, or those of the function's definition. */
  readonly units: readonly Unit[];
}

export interface ScriptUnits {
  readonly units: readonly Unit[];
  /** Those of the functions that are gone into, by the function's id. */
  readonly functions: ReadonlyMap<string, readonly Unit[]>;
  /** The names of all functions that the script's text defines. */
  readonly defined: readonly string[];
}

/** Divides a script into units. */
export function findUnits(syntax: ScriptSyntax): ScriptUnits {
  const functions = findFunctions(syntax);
  const script = new Divider(syntax, functions);
  const units = script.divide(syntax.statements, '');
  const entered = new Map<string, readonly Unit[]>();
  for (const name of script.called) {
    const called = functions.enterable.get(name);
    if (called === undefined) continue;
    // A function that a function calls is part of the unit that calls it.
    const inside = new Divider(syntax, { ...functions, enterable: new Map() });
    entered.set(called.id, inside.divide(called.body, `${called.id}.`));
  }
  return { units, functions: entered, defined: functions.defined };
}

class Divider {
  /** Names of the functions that units call. */
  readonly called = new Set<string>();
  readonly #syntax: ScriptSyntax;
  readonly #functions: ScriptFunctions;
  #begun: Unrestorable | null = null;

  constructor(syntax: ScriptSyntax, functions: ScriptFunctions) {
    this.#syntax = syntax;
    this.#functions = functions;
  }

  divide(statements: readonly Statement[], prefix: string): Unit[] {
    const units: Unit[] = [];
    const held = this.#heldForShell(statements, prefix !== '');
    for (const [first, last] of this.#glue(statements)) {
      const group = statements.slice(first, last + 1);
      const [statement] = group;
      const end = group.at(-1)?.end;
      if (statement === undefined || end === undefined) continue;
      const id = `${prefix}${units.length + 1}`;
      const heldBackBy = this.#begun ?? (held.has(first) ? 'inside of the shell' : null);
      const single = group.length === 1 && heldBackBy === null ? statement : null;
      const begun = this.#follow(group);
      const found = single === null || begun ? null : findEntry(single, this.#syntax.text);
      const entry = found !== null && this.#asksAtOnce(found) ? null : found;
      const calls = single === null ? null : this.#findCall(single);
      units.push({
        id,
        line: lineOf(this.#syntax.text, statement.pos),
        endLine: lineOf(this.#syntax.text, end - 1),
        start: statement.pos,
        end,
        isBackground: group.at(-1)?.background === true,
        isDefinition: isDefinition(statement),
        statements: group,
        decidesReading: single !== null && isReadingOption(single),
        heldBackBy,
        calls,
        entry,
        units: entry === null ? [] : this.#divideLists(entry.lists, id),
      });
    }
    return units;
  }

  #divideLists(lists: Entry['lists'], id: string): Unit[] {
    return lists.flatMap(({ list, suffix }) => this.divide(list.commands, `${id}.${suffix}`));
  }

  /** Notes what the statements begin and end; whether anything is begun after them. */
  #follow(group: readonly Statement[]): boolean {
    for (const statement of group) {
      if (this.#begun !== null && endsUnrestorable(statement, this.#begun)) this.#begun = null;
      else this.#begun ??= beginsUnrestorable(statement, this.#functions.beginners);
    }
    return this.#begun !== null;
  }

  /** First and last index of statements that stand together: what a command leaves in `$_` or PIPESTATUS is gone soon. */
  #glue(statements: readonly Statement[]): [number, number][] {
    const groups: [number, number][] = [];
    for (const [at, statement] of statements.entries()) {
      groups.push([at, at]);
      if (!this.#usesLastCommand(statement)) continue;
      const asked = {
        argument:
          usesLastArgument(statement, this.#syntax.text) || !/\bPIPESTATUS\b/.test(this.#textOf(statement)),
      };
      for (let before = at - 1; before >= 0; before--) {
        while ((groups.at(-1)?.[0] ?? 0) > before) groups.pop();
        const one = statements[before];
        if (one === undefined || setsLastCommand(one, asked)) break;
      }
      const last = groups.at(-1);
      if (last === undefined) groups.push([0, at]);
      else last[1] = at;
    }
    return groups;
  }

  #textOf(statement: Statement): string {
    return textOf(statement, this.#syntax.text);
  }

  /** Whether a list in it begins with what asks for the command before: a gate would stand between. */
  #asksAtOnce({ node, lists }: Entry): boolean {
    const clauses =
      node.type === 'While' ? [node.clause] : node.type === 'If' ? node.elif.map(({ clause }) => clause) : [];
    return [...lists.map(({ list }) => list), ...clauses].some(
      ({ commands: [first] }) => first !== undefined && this.#usesLastCommand(first),
    );
  }

  #usesLastCommand(statement: Statement): boolean {
    const { command } = statement;
    if (isDefinition(statement)) return false;
    const called = command.type === 'Command' ? (command.name?.text ?? '') : '';
    return usesLastCommand(statement, this.#syntax.text) || this.#functions.askers.has(called);
  }

  /** Indexes of statements between one that leaves something in the shell alone and the last one that asks for it. */
  #heldForShell(statements: readonly Statement[], isInside: boolean): ReadonlySet<number> {
    const held = new Set<number>();
    for (const { leaves, asks } of LEFT_IN_SHELL) {
      // What a list in a branch or a function asks for may have been left before it.
      let left = isInside ? -1 : null;
      for (const [at, statement] of statements.entries()) {
        const text = this.#textOf(statement);
        if (left !== null && asks.test(text)) for (let n = left + 1; n <= at; n++) held.add(n);
        if (leaves(statement, text)) left = at;
      }
    }
    return held;
  }

  /** A plain call: words that mean the same when they are expanded once more. */
  #findCall({ command, background }: Statement): EnterableFunction | null {
    if (command.type !== 'Command' || background === true || command.prefix.length > 0) return null;
    const called = this.#functions.enterable.get(command.name?.text ?? '');
    if (called === undefined || command.redirects.length > 0) return null;
    const isPlain = command.suffix.every((word) => word.type === 'Word' && isExpandedAlike(word));
    if (!isPlain || command.end < called.statement.pos) return null;
    this.called.add(called.name);
    return called;
  }
}

/** Whether a statement defines a function. */
export const isDefinition = ({ command }: Statement): boolean => command.type === 'Function';

/** `shopt -s extglob`, and nothing else. */
const isReadingOption = ({ command, background }: Statement): boolean =>
  command.type === 'Command' &&
  background !== true &&
  command.name?.text === 'shopt' &&
  command.redirects.length === 0 &&
  command.suffix.every((word) => word.type === 'Word' && /^(?:-[su]|extglob)$/.test(word.text));

/** What no variable of the script holds: the last match, the last job, the place in a word of options. */
const LEFT_IN_SHELL: readonly {
  readonly leaves: (statement: Statement, text: string) => boolean;
  readonly asks: RegExp;
}[] = [
  { leaves: (_, text) => text.includes('=~'), asks: /\bBASH_REMATCH\b/ },
  { leaves: (statement) => contains(statement, isBackground), asks: /\$!|\$\{!\W/ },
  { leaves: (_, text) => /\bgetopts\b/.test(text), asks: /\bgetopts\b/ },
];

const isBackground = (node: SyntaxNode): boolean =>
  (node.type === 'Statement' && node.background === true) || node.type === 'Coproc';

const isExpandedAlike = (word: Word): boolean =>
  !contains(
    word,
    ({ type }) =>
      type === 'CommandExpansion' || type === 'ProcessSubstitution' || type === 'ArithmeticExpansion',
  );
