import type { CompoundList, Redirection, While } from 'unbash';
import { findEntry, isLoopOfBuiltins } from './entries.js';
import { isRedirection } from './hold-back.js';
import { contains, type Statement, type SyntaxNode } from './syntax.js';

/**
 * Why a statement that has statements in it is not gone into, as a clause for a person: `its input is redirected`.
 * `null` when it can be gone into, or when there is nothing in it.
 */
export function whyNotEntered(statement: Statement, text: string): string | null {
  const { command: node, background } = statement;
  if (node.type === 'Function' || !holdsStatements(node)) return null;
  if (background === true) return 'it runs in the background';
  if (findEntry(statement, text) !== null) return null;
  if (isLoopOfBuiltins(node))
    return 'it starts no program, and is over before its turns could be written down';
  return whyNode(node);
}

function whyNode(node: Statement['command']): string {
  switch (node.type) {
    case 'Redirected':
      return `its ${whatIsRedirected(node.redirects)} redirected`;
    case 'Subshell':
      return 'it is a subshell, of which nothing outlives an interrupt';
    case 'Pipeline':
      return node.commands.length > 1 ? 'it is part of a pipeline' : 'it is timed or negated';
    case 'AndOr':
      return 'it is joined with && or ||';
    case 'Select':
      return 'it asks a person';
    case 'Coproc':
      return 'it is a coprocess';
    case 'If':
      return whyClauses([node.clause, ...node.elif.map(({ clause }) => clause)]) ?? HERE_DOCUMENT;
    case 'While':
      return whyClauses([node.clause]) ?? whyInput(node) ?? HERE_DOCUMENT;
    case 'For':
      return node.wordlist?.length === 0 ? 'it has no words to loop over' : HERE_DOCUMENT;
    case 'ArithmeticFor':
      return contains(node, isHereDocument) ? HERE_DOCUMENT : 'its head has a substitution or quotes';
    case 'Case':
      return contains(node, isHereDocument)
        ? HERE_DOCUMENT
        : 'its word or a pattern could mean something else when it is expanded again';
    case 'BraceGroup':
      return HERE_DOCUMENT;
    case 'Command':
    case 'TestCommand':
    case 'ArithmeticCommand':
    case 'Function':
      return 'it is one command';
  }
}

const HERE_DOCUMENT = 'a here-document in it has its text elsewhere';

const isHereDocument = ({ type }: SyntaxNode): boolean => type === 'HereDoc';

function whyClauses(clauses: readonly CompoundList[]): string | null {
  if (clauses.some((clause) => contains(clause, isHereDocument)))
    return 'its condition is given a here-document';
  if (clauses.some(({ commands }) => commands.some(({ background }) => background === true)))
    return 'its condition runs something in the background';
  return null;
}

const whyInput = ({ clause }: While): string | null =>
  contains(
    clause,
    (node) => node.type === 'Command' && /^(?:read|getopts|mapfile|readarray)$/.test(node.name?.text ?? ''),
  )
    ? 'its condition reads'
    : null;

function whatIsRedirected(redirects: readonly Redirection[]): string {
  const isInput = (one: Redirection): boolean => one.type !== 'Redirect' || /^<[&>]?$/.test(one.operator);
  const input = redirects.some(isInput);
  const output = redirects.some((one) => !isInput(one) || (one.type === 'Redirect' && one.operator === '<>'));
  return input && output ? 'input and output are' : input ? 'input is' : 'output is';
}

/** Whether there are statements in a node that belong to the script itself, not to a substitution. */
const holdsStatements = (node: SyntaxNode): boolean =>
  contains(
    node,
    (inner) => inner.type === 'Statement',
    (inner) => !isRedirection(inner) && inner.type !== 'Word' && inner.type !== 'Assignment',
  );
