import { forEachChild, type Command, type Redirection } from 'unbash';
import type { Hazard } from './hazard.js';
import { isRedirection } from './hold-back.js';
import { hazardOfCommand, wordsOf } from './hazardous-commands.js';
import { lineOf, type ScriptSyntax, type SyntaxNode } from './syntax.js';

/** Where a node stands. */
interface Context {
  /** Its input is not the script's own. */
  readonly hasInput: boolean;
  /** A dry run of patch decides about it. */
  readonly isGuarded: boolean;
}

/**
 * What in a script endangers a restart, by line. Each is a possibility: whether a command is interrupted in its middle,
 * and whether that matters to the output, only the script's author knows.
 */
export function findHazards({ text, statements }: ScriptSyntax): readonly Hazard[] {
  const found: (Hazard & { readonly at: number })[] = [];
  const add = (node: SyntaxNode, hazard: Omit<Hazard, 'line'>): void => {
    found.push({ line: lineOf(text, node.pos), at: node.pos, ...hazard });
  };
  const visit = (node: SyntaxNode, context: Context): void => {
    for (const hazard of hazardsOf(node, context)) add(node, hazard);
    const [guarded, inside] = [isGuardedBy(node, text), contextIn(node, context)];
    forEachChild(node, (child) => {
      const hasInput = inside.hasInput || isPiped(node, child);
      visit(child, { hasInput, isGuarded: inside.isGuarded || guarded });
    });
  };
  for (const statement of statements) visit(statement, { hasInput: false, isGuarded: false });
  const sorted = found.sort((one, other) => one.at - other.at);
  // `$(date)` in one line twice is one warning.
  const seen = new Set<string>();
  return sorted
    .filter(({ line, what }) => !seen.has(`${line} ${what}`) && seen.add(`${line} ${what}`))
    .map(({ line, kind, what, message }) => ({ line, kind, what, message }));
}

function contextIn(node: SyntaxNode, context: Context): Context {
  const redirects = node.type === 'Redirected' || node.type === 'Command' ? node.redirects : [];
  // What calls a function may redirect it; what runs beside the script reads from a pipe or /dev/null.
  const isOther = node.type === 'Function' || node.type === 'Coproc';
  const isBeside = node.type === 'Statement' && node.background === true;
  const hasInput = context.hasInput || redirects.some(isInput) || isOther || isBeside;
  return { ...context, hasInput };
}

const isPiped = (node: SyntaxNode, child: SyntaxNode): boolean =>
  node.type === 'Pipeline' && node.commands.some((command, at) => at > 0 && command.pos === child.pos);

const isGuardedBy = (node: SyntaxNode, text: string): boolean =>
  (node.type === 'AndOr' || node.type === 'If') &&
  /\bpatch\b[^\n;&|]*--dry-run/.test(text.slice(node.pos, node.end));

const isInput = (redirection: Redirection): boolean =>
  (redirection.descriptor === undefined ||
    (redirection.descriptor.type === 'FileDescriptor' && redirection.descriptor.value === 0)) &&
  (redirection.type !== 'Redirect' || /^<[&>]?$/.test(redirection.operator));

function hazardsOf(node: SyntaxNode, context: Context): Omit<Hazard, 'line'>[] {
  if (node.type === 'Statement') return node.background === true ? [BACKGROUND] : [];
  if (node.type === 'Coproc') return [{ ...BACKGROUND, what: 'coproc' }];
  if (node.type === 'Redirect')
    return node.operator.endsWith('>>') && !/^\/dev\//.test(node.target?.text ?? '') ? [APPENDS] : [];
  if (node.type === 'SimpleExpansion') return variableHazard(node.text.replace(/^\$/, ''));
  if (node.type === 'ParameterExpansion') return variableHazard(node.parameter);
  if (node.type !== 'Command') return [];
  return [...hazardOfCommand(node, context), ...readsOwnInput(node, context), ...procOf(node)];
}

function variableHazard(name: string): Omit<Hazard, 'line'>[] {
  const message = Object.hasOwn(VARIABLES, name) ? VARIABLES[name] : undefined;
  return message === undefined ? [] : [{ kind: 'other-value', what: `$${name}`, message }];
}

const BACKGROUND = {
  kind: 'background',
  what: '&',
  message:
    'while it runs no state is kept, up to a `wait` without arguments: all since then would be run again',
} as const;

const APPENDS = {
  kind: 'not-repeatable',
  what: '>>',
  message: 'what was appended before the interrupt is there twice',
} as const;

const CLOCK = 'another leg runs at another time; take it from SOURCE_DATE_EPOCH';
const OTHER_PROCESS = 'the script is another process in each leg; a name made of it is another one';
const RANDOM = 'each leg draws other numbers';

const VARIABLES: Readonly<Record<string, string>> = {
  RANDOM,
  SRANDOM: RANDOM,
  EPOCHSECONDS: CLOCK,
  EPOCHREALTIME: CLOCK,
  SECONDS: 'it counts the time that has passed, which interrupts change',
  $: OTHER_PROCESS,
  BASHPID: OTHER_PROCESS,
  PPID: OTHER_PROCESS,
};

/** By the words after the command's name: whether it reads standard input then. */
const READS_INPUT: Readonly<Record<string, (words: readonly string[]) => boolean>> = {
  read: (words) => !words.some((word) => /^-\w*u/.test(word)),
  mapfile: (words) => !words.some((word) => /^-\w*u/.test(word)),
  readarray: (words) => !words.some((word) => /^-\w*u/.test(word)),
  cat: (words) => words.every((word) => word.startsWith('-')),
  bash: (words) => words.every((word) => /^-(?!\w*c)/.test(word)),
  sh: (words) => words.every((word) => /^-(?!\w*c)/.test(word)),
  xargs: (words) => !words.some((word) => /^(?:-a|--arg-file)/.test(word)),
};

function readsOwnInput(node: Command, { hasInput }: Context): Omit<Hazard, 'line'>[] {
  const name = node.name?.text ?? '';
  const words = wordsOf(node);
  if (words.includes('/dev/stdin') || words.includes('/proc/self/fd/0')) return [standardInput('/dev/stdin')];
  if (hasInput || node.redirects.some(isInput) || !Object.hasOwn(READS_INPUT, name)) return [];
  return READS_INPUT[name]?.(words) === true ? [standardInput(name)] : [];
}

const standardInput = (what: string): Omit<Hazard, 'line'> => ({
  kind: 'standard-input',
  what,
  message: "it reads the script's own input, and what an earlier leg has read of that is gone",
});

function procOf(node: Command): Omit<Hazard, 'line'>[] {
  const texts = [
    ...wordsOf(node),
    ...node.redirects.map((one) => (isRedirection(one) && 'target' in one ? (one.target?.text ?? '') : '')),
    ...node.prefix.map((one) => (one.type === 'Assignment' ? one.text : '')),
  ];
  const [found] = /\/proc\/(?!self\/fd\/0)[\w/$.{}]*|\/dev\/u?random\b/.exec(texts.join(' ')) ?? [];
  if (found === undefined) return [];
  const message = found.startsWith('/proc')
    ? 'it tells about this machine and its processes; the next leg may run on another one'
    : 'each leg draws other bytes';
  return [{ kind: 'other-value', what: found, message }];
}
