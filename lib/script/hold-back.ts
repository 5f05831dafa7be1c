import type { Redirection, Statement, Word } from 'unbash';
import { contains, type SyntaxNode } from './syntax.js';

/**
 * What no later shell can take up again, and why: from a statement that begins such a thing to the one that ends it,
 * all is one unit.
 */
export type Unrestorable = 'background job' | 'coprocess' | 'redirected shell' | 'seeded RANDOM';

/** A function's name, with what a call of it begins. */
export type Beginners = ReadonlyMap<string, Unrestorable>;

/** What a statement begins that is still there when it has ended, or `null`. */
export function beginsUnrestorable(node: SyntaxNode, beginners: Beginners): Unrestorable | null {
  let found: Unrestorable | null = null;
  contains(
    node,
    (inner) => {
      found ??= begins(inner, beginners);
      return found !== null;
    },
    staysInShell,
  );
  // A statement that waits for its own jobs, such as a loop with a `wait` after it in one group, leaves none behind.
  return found;
}

function begins(node: SyntaxNode, beginners: Beginners): Unrestorable | null {
  if (node.type === 'Statement' && node.background === true) return 'background job';
  if (node.type === 'Coproc') return 'coprocess';
  if (node.type === 'Assignment' && /^S?RANDOM$/.test(node.name)) return 'seeded RANDOM';
  if (node.type !== 'Command') return null;
  const name = node.name?.text ?? '';
  const called = beginners.get(name);
  if (called !== undefined) return called;
  const words = node.suffix.flatMap((word) => (word.type === 'Word' ? [word.text] : []));
  if (name === 'eval' && /\bexec\b.*[<>]/s.test(words.join(' '))) return 'redirected shell';
  const [only, ...more] = /^(?:command|builtin)$/.test(name) ? words : [name, ...words];
  return only === 'exec' && more.length === 0 && node.redirects.some(isStandard) ? 'redirected shell' : null;
}

/** Whether a statement ends what an earlier one has begun. */
export function endsUnrestorable(statement: Statement, begun: Unrestorable): boolean {
  const { command } = statement;
  if (command.type !== 'Command') return false;
  const name = command.name?.text;
  if (begun === 'background job') return name === 'wait' && command.suffix.length === 0;
  // `exec >&3 3>&-`: what the shell had is in place again.
  return begun === 'redirected shell' && name === 'exec' && command.redirects.some(isBroughtBack);
}

const isBroughtBack = (redirection: Redirection): boolean =>
  isStandard(redirection) &&
  redirection.type === 'Redirect' &&
  (redirection.operator === '>&' || redirection.operator === '<&') &&
  /^(?:[3-9]|\d\d+|\$)/.test(redirection.target?.text ?? '');

const isStandard = ({ descriptor }: Redirection): boolean =>
  descriptor === undefined || (descriptor.type === 'FileDescriptor' && descriptor.value <= 2);

export const isRedirection = (node: SyntaxNode): node is Redirection =>
  node.type === 'Redirect' || node.type === 'HereDoc' || node.type === 'HereString';

/** Whether what is in a node runs in the script's own shell when the node itself does. */
const staysInShell = (node: SyntaxNode): boolean =>
  node.type !== 'Subshell' &&
  node.type !== 'Pipeline' &&
  node.type !== 'CommandExpansion' &&
  node.type !== 'ProcessSubstitution' &&
  node.type !== 'Function';

/** The word's text when quotes and expansions play no part in it. */
export const literal = (word: Word | undefined): string | null =>
  word !== undefined && /^[\w.+:@%/-]+$/.test(word.text) ? word.text : null;
