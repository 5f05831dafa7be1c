import type { Function as FunctionDefinition } from 'unbash';
import { beginsUnrestorable, literal, type Beginners, type Unrestorable } from './hold-back.js';
import { contains, textOf, type ScriptSyntax, type Statement, type SyntaxNode } from './syntax.js';

/** A function whose body can be gone into. */
export interface EnterableFunction {
  /** `f1`, `f2`, …: the first part of the ids of its units. */
  readonly id: string;
  readonly name: string;
  readonly statement: Statement;
  readonly body: readonly Statement[];
}

export interface ScriptFunctions {
  /** By name. */
  readonly enterable: ReadonlyMap<string, EnterableFunction>;
  /** Those that begin something that no later shell can take up. */
  readonly beginners: Beginners;
  /** Those that begin by asking for `$_` or PIPESTATUS of what was before the call. */
  readonly askers: ReadonlySet<string>;
  /** The names of all. */
  readonly defined: readonly string[];
}

/**
 * What is known of a script's functions. One is enterable when calling it can only mean this one definition: it is
 * defined once, at top level, as a group, does not call itself, and no other shell is given its text.
 */
export function findFunctions({ text, statements }: ScriptSyntax): ScriptFunctions {
  const definitions: FunctionDefinition[] = [];
  for (const statement of statements) {
    contains(statement, (node) => {
      if (node.type === 'Function') definitions.push(node);
      return false;
    });
  }
  const beginners = findBeginners(definitions);
  const askers = findAskers(definitions, text);
  const enterable = new Map<string, EnterableFunction>();
  const defined = definitions.map(({ name }) => name.text).filter((name) => /^[\w.:+@%/-]+$/.test(name));
  if (isTextOfFunctionsUsed(text)) return { enterable, beginners, askers, defined };
  for (const statement of statements) {
    const { command } = statement;
    if (command.type !== 'Function' || command.body.type !== 'BraceGroup') continue;
    const name = literal(command.name);
    const isOnlyOne = definitions.filter((other) => other.name.text === name).length === 1;
    if (name === null || !isOnlyOne || beginners.has(name)) continue;
    if (callsItself(command, definitions) || contains(command.body, hasOwnOptions)) continue;
    if (askers.has(name)) continue;
    enterable.set(name, {
      id: `f${enterable.size + 1}`,
      name,
      statement,
      body: command.body.body.commands,
    });
  }
  return { enterable, beginners, askers, defined };
}

/** Whether a statement asks for what the command before it has left: nothing may stand between the two. */
export const usesLastCommand = (statement: Statement, text: string): boolean =>
  usesLastArgument(statement, text) || /\bPIPESTATUS\b/.test(textOf(statement, text));

/** Whether it asks for `$_`. */
export const usesLastArgument = (statement: Statement, text: string): boolean =>
  /\$(?:_(?!\w)|\{_\W)/.test(textOf(statement, text));

/** Whether a statement surely sets `$_`, or PIPESTATUS; one that does not lets that of an earlier one through. */
export const setsLastCommand = (
  { command, background }: Statement,
  options: { readonly argument: boolean },
): boolean =>
  background !== true &&
  (command.type === 'Command' ||
    (!options.argument && /^(?:Pipeline|Subshell|AndOr|If|While|\w+Command)$/.test(command.type)));

function findAskers(definitions: readonly FunctionDefinition[], text: string): ReadonlySet<string> {
  const asking = definitions.filter(({ body }) => {
    const statements = body.type === 'BraceGroup' ? body.body.commands : [];
    const set = statements.findIndex((one) => setsLastCommand(one, { argument: true }));
    return statements
      .slice(0, set < 0 ? statements.length : set + 1)
      .some((statement) => usesLastCommand(statement, text));
  });
  return new Set(asking.map(({ name }) => name.text));
}

/** A function begins what its body does, or what those begin that it calls. */
function findBeginners(definitions: readonly FunctionDefinition[]): Beginners {
  const beginners = new Map<string, Unrestorable>();
  for (let before = -1; before < beginners.size;) {
    before = beginners.size;
    for (const { name, body } of definitions) {
      const begun = beginsUnrestorable(body, beginners);
      if (begun !== null) beginners.set(name.text, begun);
    }
  }
  return beginners;
}

function callsItself(definition: FunctionDefinition, definitions: readonly FunctionDefinition[]): boolean {
  const reached = new Set<string>();
  // Where a body runs what it was given, any word may be a call.
  const runsItsWords = definitions.some(({ body }) => contains(body, runsUnknownWords));
  const names = new Set(definitions.map(({ name }) => name.text));
  const follow = (body: SyntaxNode): void => {
    contains(body, (node) => {
      for (const word of runsItsWords ? wordsOf(node) : calledWords(node)) {
        if (!names.has(word) || reached.has(word)) continue;
        reached.add(word);
        for (const { name, body: inner } of definitions) if (name.text === word) follow(inner);
      }
      return false;
    });
  };
  if (contains(definition.body, runsArguments)) return true;
  follow(definition.body);
  return reached.has(definition.name.text);
}

/**
 * `local -`: bash gives the options back when the function returns, and only it knows which they were. `declare -g`: sets a
 * variable that a local one may hide.
 */
const hasOwnOptions = (node: SyntaxNode): boolean =>
  node.type === 'Command' &&
  /^(?:local|declare|typeset)$/.test(node.name?.text ?? '') &&
  node.suffix.some((word) => word.type === 'Word' && /^-(?:\w*g\w*)?$/.test(word.text));

const RUNS_WORDS = /^(?:eval|trap|xargs|command|env|find|time|\.|source)$/;

/** `"$@"`, `eval "$x"`: what is run is only known when it is. */
const runsUnknownWords = (node: SyntaxNode): boolean =>
  node.type === 'Command' &&
  (isUnknown(node.name?.text ?? '') ||
    (RUNS_WORDS.test(node.name?.text ?? '') &&
      node.suffix.some((word) => word.type === 'Word' && isUnknown(word.text))));

/** `"$@"` as a command: it may be given the function's own name. */
const runsArguments = (node: SyntaxNode): boolean =>
  node.type === 'Command' && /^"?\$\{?[@*\d]/.test(node.name?.text ?? '');

const isUnknown = (text: string): boolean => /[$`]/.test(text);

/** What a command calls: itself, or, as `trap 'tidy up' EXIT` does, what is in its words. */
function calledWords(node: SyntaxNode): string[] {
  if (node.type !== 'Command') return [];
  const name = node.name?.text ?? '';
  return RUNS_WORDS.test(name) ? [name, ...node.suffix.flatMap(wordsOf)] : [name];
}

const wordsOf = (node: SyntaxNode): string[] => (node.type === 'Word' ? node.text.split(/[^\w.+:@%-]+/) : []);

/** Whether functions go to other shells, or their text is printed: there, what is put in front of statements is unknown. */
const isTextOfFunctionsUsed = (text: string): boolean =>
  /\bexport\s+-\w*f|\b(?:declare|typeset|local)\s+-\w*[fx]\w*f?\b.*\(\)|\b(?:declare|typeset)\s+-\w*f|\bset\s+-\w*a|^\s*type\s|[;&|]\s*type\s/m.test(
    text,
  );
