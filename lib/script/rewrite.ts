import { rewriteEntry } from './rewrite-entry.js';
import { Edits } from './edits.js';
import { contains, findStatements, parseScript, type ScriptSyntax, type SyntaxNode } from './syntax.js';
import { findUnits, isDefinition, type ScriptUnits, type Unit } from './units.js';
import { quote } from './quote.js';

/** Where a build's container has the state of its script. */
const UNITS_DIR = '/rbm/resume/units';

export type RewrittenScript =
  | { readonly script: Buffer; readonly units: ScriptUnits }
  /** It has to run as it is: it is no bash script, or not understood. */
  | { readonly script: null; readonly reason: string };

/**
 * Puts gates around the statements of a bash script, so that it can be resumed: the functions that are called are in
 * `perl-shim/libexec/units.bash`. Lines keep their numbers, and every statement stays at its level: nothing becomes a
 * function or an `eval`.
 * @param options.dir the state folder inside the container, with the runtime as `DIR/runtime`
 */
export async function rewriteScript(
  source: Buffer,
  options: { readonly dir?: string } = {},
): Promise<RewrittenScript> {
  const parsed = await parseScript(source);
  if (parsed.syntax === null) return { script: null, reason: parsed.reason };
  const { text } = parsed.syntax;
  const hindrance = findHindrance(text) ?? findListing(parsed.syntax) ?? findLateAlias(text);
  if (hindrance !== null) return { script: null, reason: hindrance };
  const units = findUnits(parsed.syntax);
  const [first] = units.units;
  if (first === undefined) return { script: null, reason: 'there is no statement in it' };
  const edits = new Edits(text);
  const runtime = `${options.dir ?? UNITS_DIR}/runtime`;
  const isOpen = takesInOtherText(text);
  const gates = { edits, hasErrTrap: isOpen || /\btrap\b/.test(text) };
  const hasJobs = isOpen || /(?<![&<>|])&(?![&>\d])|\bcoproc\b/.test(text);
  const open = isOpen ? `__rr_open=1 __rr_defined=${quote(` ${units.defined.join(' ')} `)}; ` : '';
  edits.insert(first.start, `. ${quote(runtime)} || exit 97; ${hasJobs ? '__rr_jobs=1; ' : ''}${open}`);
  gateAll(units.units, gates);
  closeScript(units.units, gates);
  for (const [id, inside] of units.functions) {
    const [start] = inside;
    if (start === undefined) continue;
    const end = inside.at(-1)?.end ?? start.end;
    const push = ['__rr_push', id, ...findBareLocals(text.slice(start.start, end))].join(' ');
    edits.insert(start.start, `{ ${push}; builtin eval "$__rr_do"; __rr_st && :; } 2>/dev/null; `);
    gateAll(inside, { ...gates, isFunction: true });
  }
  const script = edits.apply();
  const check = await findStatements(script);
  if ('reason' in check) return { script: null, reason: `rewritten, it does not parse: ${check.reason}` };
  return { script: Buffer.from(script, 'latin1'), units };
}

/** The names that a function may declare without a value; `local` does not list such before bash 5.1. */
function findBareLocals(body: string): string[] {
  const declared = body.matchAll(/(?<![-\w])(?:local|declare|typeset)\s((?:\\\n|[^;&|\n])*)/g);
  const words = [...declared].flatMap(([, text = '']) => text.split(/\s+/));
  return [...new Set(words.filter((word) => /^[A-Za-z_]\w*$/.test(word)))];
}

/** Whether what runs in the script's shell is more than its own text. */
const takesInOtherText = (text: string): boolean => /\b(?:eval|source)\b|(?:^|[\s;&|({])\.\s/m.test(text);

interface GateOptions {
  readonly edits: Edits;
  /** Whether there may be a trap for ERR. */
  readonly hasErrTrap: boolean;
  readonly isFunction?: boolean;
}

function gateAll(units: readonly Unit[], options: GateOptions): void {
  for (const unit of units) {
    const { edits } = options;
    edits.insert(unit.start, gate(unit, options));
    if (unit.entry !== null) {
      rewriteEntry(unit, edits);
      gateAll(unit.units, options);
      if (unit.entry.node.type === 'While') closeTurn(unit, options);
    }
    closeGate(unit, edits);
  }
}

/**
 * Behind the first statement of a unit the gate is closed, and the others ask whether it was open, in a way that leaves `$_`
 * and PIPESTATUS: an error that ends a statement must not end the next ones. Definitions are made in any case.
 */
function closeGate({ statements: [first, ...others] }: Unit, edits: Edits): void {
  if (first !== undefined) edits.insertAfter(first.end, first.background === true ? ' fi;' : '; fi');
  for (const other of others) {
    if (isDefinition(other)) continue;
    edits.insert(other.pos, 'case $__rr_mode in skip) ;; *) ');
    edits.insertAfter(other.end, other.background === true ? ' esac;' : '; esac');
  }
}

/** A turn's last statement has ended before the condition is asked again, which may take long. */
const closeTurn = ({ id, units }: Unit, options: GateOptions): void => close(units, `${id}.`, options);

/** The script's last one before an EXIT trap runs. */
const closeScript = (units: readonly Unit[], options: GateOptions): void => close(units, '', options);

/** Puts an empty unit behind the last one. */
function close(units: readonly Unit[], prefix: string, options: GateOptions): void {
  const last = units.at(-1);
  if (last === undefined || last.heldBackBy !== null || last.isBackground) return;
  const closing = {
    ...last,
    id: `${prefix}${units.length + 1}`,
    isDefinition: false,
    statements: [],
    decidesReading: false,
    calls: null,
  };
  options.edits.insertAfter(last.end, `; ${gate(closing, options)}fi`);
}

/** `$?` is read first, and given back at last: the statement may ask for it. */
function gate({ id, ...unit }: Unit, { hasErrTrap, isFunction }: GateOptions): string {
  const kind =
    unit.heldBackBy !== null
      ? 'n'
      : unit.isDefinition || unit.decidesReading
        ? 'd'
        : unit.calls !== null
          ? `c:${unit.calls.id}`
          : '-';
  const steps = [
    '__rr_status=$?',
    ...(isFunction === true ? ['builtin local >|"$__rr_dir/locals"'] : []),
    // A function does not see it, unless the script says so.
    ...(hasErrTrap ? ['builtin trap -p ERR >|"$__rr_dir/err-trap"'] : []),
    `__rr_gate ${id} ${kind} "$@"`,
  ];
  return `if { ${steps.join('; ')}; } 2>/dev/null; then { builtin eval "$__rr_do"; __rr_st && :; } 2>/dev/null; `;
}

/** What shows every command or line, counts them, gives our names to other programs, or can't be had back. */
const HINDRANCES = [
  /\btrap\b.*\b(?:DEBUG|RETURN)\b/,
  /\b(?:extdebug|functrace|allexport|BASH_XTRACEFD)\b/,
  // Our functions are called from the script's, and `$0` is no variable.
  /\bFUNCNEST\b|\bBASH_ARGV0=/,
  // At its end a script's last command was one of ours.
  /\btrap\b.*\bBASH_COMMAND\b.*\b(?:EXIT|0)\b/,
  /\bset\s+(?:-\w+\s+)*-\w*[Tav]/,
  /\bset\s+.*-o\s+verbose\b/,
  /(?<![-\w{$])unset\s[^;&|\n]*\b(?:S?RANDOM|SECONDS|LINENO|EPOCHSECONDS|EPOCHREALTIME|BASHPID|FUNCNAME|GROUPS|DIRSTACK)\b/,
  /\b__rr_/,
  // What we restore a state with.
  /(?:\bfunction\s+|^\s*|[;&|{]\s*)(?:alias|builtin|declare|enable|set|shopt|trap|ulimit|umask)(?:\s*\(\s*\)|\s*\{)/m,
];

/** Why no command of ours may stand between those of the script, or `null`. */
function findHindrance(text: string): string | null {
  const code = text.replace(/^[ \t]*#.*$/gm, '');
  const what = HINDRANCES.map((pattern) => pattern.exec(code)?.[0]).find((found) => found !== undefined);
  return what === undefined ? null : `nothing can be put between its statements: ${what}`;
}

/** A resumed script has all its aliases from the first line on, and would read those words as something else. */
function findLateAlias(text: string): string | null {
  if (!/\bexpand_aliases\b/.test(text)) return null;
  for (const { index, 1: name = '' } of text.matchAll(/\balias\s+([\w.:+@-]+)=/g)) {
    const word = new RegExp(`(?<![\\w.:+@-])${name.replace(/[.+]/g, '\\$&')}(?![\\w.:+@-])`);
    if (word.test(text.slice(0, index))) return `the alias ${name} is defined after the word was used`;
  }
  return null;
}

/** A command that prints the names of all variables or functions: ours are among them. */
function findListing({ text, statements }: ScriptSyntax): string | null {
  let found: string | null = null;
  const isListing = (node: SyntaxNode): boolean => {
    if (node.type !== 'Command') return false;
    const words = node.suffix.flatMap((word) => (word.type === 'Word' ? [word.text] : []));
    const isBare = words.every((word) => /^-/.test(word));
    const name = node.name?.text ?? '';
    if (!/^(?:declare|typeset|set|compgen)$/.test(name) || !isBare) return false;
    if (name !== 'compgen' && (name === 'set' ? words.length > 0 : !/[fFp]/.test(words.join(''))))
      return false;
    found = text.slice(node.pos, node.end);
    return true;
  };
  return statements.some((statement) => contains(statement, isListing))
    ? `nothing can be put between its statements: ${found}`
    : null;
}
