import { parse as parseWithUnbash, forEachChild, type Statement, type SyntaxNode } from 'unbash';
import { parse as parseWithShSyntax } from 'sh-syntax';

export type { SyntaxNode, Statement } from 'unbash';

/** A bash script as its text and its tree. */
export interface ScriptSyntax {
  /** One character for each byte (latin1), so that positions are offsets in the file. */
  readonly text: string;
  readonly statements: readonly Statement[];
}

export type ParsedScript =
  { readonly syntax: ScriptSyntax } | { readonly syntax: null; readonly reason: string };

/**
 * Parses a bash script with two parsers: `sh-syntax` (mvdan/sh), which is known to be right about where statements begin
 * and end but tells nothing of what is in them, and `unbash`, which gives the tree. A script is only understood when
 * both find the same statements in the same places.
 */
export async function parseScript(source: Buffer): Promise<ParsedScript> {
  const text = source.toString('latin1');
  if (!isForBash(text)) return { syntax: null, reason: 'it is not a bash script' };
  const script = parseWithUnbash(text);
  const [error] = script.errors ?? [];
  if (error !== undefined) {
    return { syntax: null, reason: `line ${lineOf(text, error.pos)}: ${error.message}` };
  }
  const statements = script.commands;
  const found = await findStatements(text);
  if ('reason' in found) return { syntax: null, reason: found.reason };
  const differing = statements.findIndex((statement, at) => statement.pos !== found.starts[at]);
  if (differing >= 0 || statements.length !== found.starts.length) {
    const line = lineOf(text, statements.at(differing)?.pos ?? text.length);
    return { syntax: null, reason: `line ${line}: two parsers differ about where a statement begins` };
  }
  return { syntax: { text, statements } };
}

/** Where the statements of a script begin, or why it is none, by mvdan/sh alone. */
export async function findStatements(
  text: string,
): Promise<{ readonly starts: readonly number[] } | { readonly reason: string }> {
  try {
    // It counts in UTF-8 and takes U+0080 for the end; what a byte above ASCII means plays no part in where things are.
    const { Stmts } = await parseWithShSyntax(text.replace(/[\x80-\xff]/g, 'x'));
    return { starts: Stmts.map(({ Pos }) => Pos.Offset) };
  } catch (error) {
    return { reason: error instanceof Error ? error.message : String(error) };
  }
}

/** `#!/bin/bash`, with or without `env`, a version, options. */
const isForBash = (text: string): boolean =>
  /^#!\s*(?:\S*\/)?(?:env\s+(?:-\S+\s+)*)?(?:\S*\/)?bash[\d.-]*(?:\s|$)/.test(text);

/** The number of the line, from 1, on which a position lies. */
export function lineOf(text: string, position: number): number {
  let line = 1;
  for (let at = text.indexOf('\n'); at >= 0 && at < position; at = text.indexOf('\n', at + 1)) line += 1;
  return line;
}

/** The text of a statement, with here-documents that lie behind its end. */
export function textOf(statement: Statement, text: string): string {
  const parts = [text.slice(statement.pos, statement.end)];
  contains(statement, (node) => {
    if (node.type === 'HereDoc' && node.body.end > statement.end)
      parts.push(text.slice(node.body.pos, node.body.end));
    return false;
  });
  return parts.join('\n');
}

/** Whether a node or anything in it fulfils a condition; `enters` says which nodes to look into. */
export function contains(
  node: SyntaxNode,
  condition: (node: SyntaxNode) => boolean,
  enters: (node: SyntaxNode) => boolean = () => true,
): boolean {
  if (condition(node)) return true;
  if (!enters(node)) return false;
  let isFound = false;
  forEachChild(node, (child) => {
    isFound ||= contains(child, condition, enters);
  });
  return isFound;
}
