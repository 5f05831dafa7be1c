import type { ArithmeticFor, Case, CompoundList, For, If, While } from 'unbash';
import { contains, type Statement, type SyntaxNode } from './syntax.js';

/** A compound command that is gone into, with the lists of statements in it that are. */
export interface Entry {
  readonly node: If | For | ArithmeticFor | While | Case | Extract<SyntaxNode, { type: 'BraceGroup' }>;
  /** `suffix` stands between the unit's id and the number of the statement in the list: `2.` in the second branch. */
  readonly lists: readonly { readonly list: CompoundList; readonly suffix: string }[];
}

/**
 * How a statement can be gone into, or `null` when it can't safely be: when what decides where it goes on can't be kept
 * (a redirected or piped input, a word list that is read from somewhere), it stays one unit.
 */
export function findEntry(statement: Statement, text: string): Entry | null {
  const { command: node, background } = statement;
  if (background === true || !hasItsHereDocuments(node)) return null;
  if (isLoopOfBuiltins(node)) return null;
  switch (node.type) {
    case 'BraceGroup':
      return { node, lists: [{ list: node.body, suffix: '' }] };
    case 'If': {
      const clauses = [node.clause, ...node.elif.map(({ clause }) => clause)];
      if (!clauses.every(isPlainClause)) return null;
      const branches = [node.then, ...node.elif.map(({ then }) => then), ...(node.else ? [node.else] : [])];
      return { node, lists: inBranches(branches) };
    }
    case 'While':
      return isPlainClause(node.clause) && !readsInput(node.clause)
        ? { node, lists: [{ list: node.body, suffix: '' }] }
        : null;
    case 'For':
      return node.wordlist?.length === 0 ? null : { node, lists: [{ list: node.body, suffix: '' }] };
    case 'ArithmeticFor':
      return /["'`\\]|\$\(/.test(headOf(node, text))
        ? null
        : { node, lists: [{ list: node.body, suffix: '' }] };
    case 'Case':
      return isPlainCase(node, text) ? { node, lists: inBranches(node.items.map(({ body }) => body)) } : null;
    case 'Command':
    case 'Pipeline':
    case 'AndOr':
    case 'Redirected':
    case 'Subshell':
    case 'Select':
    case 'Coproc':
    case 'Function':
    case 'TestCommand':
    case 'ArithmeticCommand':
      return null;
  }
}

/** A loop that takes less time than to write down where it is. */
export const isLoopOfBuiltins = (node: SyntaxNode): boolean =>
  (node.type === 'For' || node.type === 'ArithmeticFor' || (node.type === 'While' && isCheap(node.clause))) &&
  isCheap(node.body);

/** Whether a list starts no program and prints nothing. */
const isCheap = (list: CompoundList): boolean =>
  !contains(
    list,
    (node) =>
      node.type === 'Function' ||
      node.type === 'CommandExpansion' ||
      node.type === 'ProcessSubstitution' ||
      (node.type === 'Command' && !CHEAP.test(node.name?.text ?? '')) ||
      (node.type === 'Command' && node.redirects.length > 0),
  );

const CHEAP = /^(?::|\[|break|continue|let|local|shift|test|true|unset)?$/;

const inBranches = (lists: readonly CompoundList[]): Entry['lists'] =>
  lists.map((list, at) => ({ list, suffix: `${at + 1}.` })).filter(({ list }) => list.commands.length > 0);

const headOf = ({ pos, body }: ArithmeticFor, text: string): string => text.slice(pos, body.pos);

/** A condition can be left out and its answer given in its place. */
const isPlainClause = ({ commands }: CompoundList): boolean =>
  commands.length > 0 &&
  commands.every((statement) => statement.background !== true && !contains(statement, isHereDocument));

const readsInput = (clause: CompoundList): boolean =>
  contains(
    clause,
    (node) => node.type === 'Command' && /^(?:read|getopts|mapfile|readarray)$/.test(node.name?.text ?? ''),
  );

/** The word is kept, and the patterns are compared with it again, so they must mean the same then. */
const isPlainCase = ({ word, items, pos, end }: Case, text: string): boolean =>
  (text.match(/\bshopt\b[^\n#]*\bnocasematch\b/g) ?? []).length < 2 &&
  !/\b(?:LC_|LANG\b|nocasematch\b)/.test(text.slice(pos, end)) &&
  !/[`~\\<]|\$\(/.test(word.text) &&
  items.every(({ pattern }) => pattern.every(({ text }) => !/[$`~]/.test(text)));

const isHereDocument = ({ type }: SyntaxNode): boolean => type === 'HereDoc';

/** Whether the bodies of all here-documents in a node lie in it, too, and not on the lines after it. */
const hasItsHereDocuments = (node: SyntaxNode): boolean =>
  !contains(node, (inner) => inner.type === 'HereDoc' && (inner.closing ?? inner.body).end > node.end);
