import type { ArithmeticFor, CompoundList, For } from 'unbash';
import type { Edits } from './edits.js';
import type { Unit } from './units.js';

/** On the way to the interrupted unit no condition is asked and no word expanded anew. */
const RUN = '{ __rr_status=$?; __rr_run; } 2>/dev/null';
/** `$?` as it was before: a condition may ask for it. */
const STATUS = '{ __rr_st && :; } 2>/dev/null; ';

/** Lets a compound command be gone into. */
export function rewriteEntry(unit: Unit, edits: Edits): void {
  const node = unit.entry?.node;
  const name = unit.id.replaceAll('.', '_');
  switch (node?.type) {
    case 'If': {
      const clauses = [node.clause, ...node.elif.map(({ clause }) => clause)];
      for (const [at, clause] of clauses.entries()) {
        answer(clause, { edits, answer: `{ __rr_at ${unit.id}.${at + 1}; } 2>/dev/null` });
      }
      return;
    }
    case 'While':
      answer(node.clause, { edits, answer: node.kind === 'while' ? ':' : '! :' });
      countTurns(node.body, { edits, name });
      return;
    case 'For':
      rewriteFor(node, { edits, name, start: unit.start });
      countTurns(node.body, { edits, name });
      return;
    case 'ArithmeticFor':
      rewriteArithmeticFor(node, edits);
      countTurns(node.body, { edits, name });
      return;
    case 'Case':
      edits.insert(unit.start, `if ${RUN}; then ${STATUS}__rr_W_${name}=${node.word.text}; fi; ${STATUS}`);
      edits.replace(node.word.pos, node.word.end, `$__rr_W_${name}`);
      return;
    case 'BraceGroup':
    case undefined:
      return;
  }
}

function answer(clause: CompoundList, options: { readonly edits: Edits; readonly answer: string }): void {
  const first = clause.commands[0];
  const last = clause.commands.at(-1);
  if (first === undefined || last === undefined) return;
  options.edits.insert(first.pos, `if ${RUN}; then ${STATUS}`);
  options.edits.insertAfter(last.end, `; else ${options.answer}; fi`);
}

function countTurns(
  body: CompoundList,
  { edits, name }: { readonly edits: Edits; readonly name: string },
): void {
  const first = body.commands[0];
  if (first !== undefined) edits.insert(first.pos, `{ __rr_next ${name} && :; } 2>/dev/null; `);
}

/** The words move in front of the loop, with their lines, to be expanded once. */
function rewriteFor(
  { name: variable, wordlist }: For,
  { edits, name, start }: { readonly edits: Edits; readonly name: string; readonly start: number },
): void {
  const words = `\${__rr_L_${name}[@]+"\${__rr_L_${name}[@]}"}`;
  const [first] = wordlist ?? [];
  const last = wordlist?.at(-1);
  const list = (text: string) =>
    edits.insert(start, `if ${RUN}; then ${STATUS}__rr_list ${name} ${text} && :; fi; `);
  if (first !== undefined && last !== undefined) {
    list(edits.text.slice(first.pos, last.end));
    edits.replace(first.pos, last.end, words);
    return;
  }
  list('"$@"');
  const isSeparated = /^[ \t]*[;\n]/.test(edits.text.slice(variable.end));
  edits.insert(variable.end, ` in ${words}${isSeparated ? '' : ';'}`);
}

/** `__rr_E` is 1 on the way to the interrupted unit: its variable is the one that was kept. */
function rewriteArithmeticFor({ initialize, test }: ArithmeticFor, edits: Edits): void {
  for (const [part, value] of [
    [initialize, 0],
    [test, 1],
  ] as const) {
    if (part === undefined) continue;
    edits.replace(part.pos, part.end, `__rr_E ? ${value} : (${edits.text.slice(part.pos, part.end)})`);
  }
}
