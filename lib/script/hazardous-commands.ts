import type { Command } from 'unbash';
import type { Hazard } from './hazard.js';

/** The words after a command's name, without redirections. */
export const wordsOf = (node: Command): string[] => node.args.map(({ text }) => text);

interface Call {
  readonly words: readonly string[];
  /** Those that are no options; the word after an option that takes one is among them. */
  readonly operands: readonly string[];
  /** Whether an option is there, as a letter or as a long one. */
  readonly has: (letter: string, long?: string) => boolean;
  readonly isGuarded: boolean;
}

type Check = (call: Call) => string | null;

const FAILS_IF_THERE = 'run again, it fails: what it makes is there';

const stuck = (verb: string): string =>
  `run again, it finds itself in the middle of the first ${verb} and fails`;

const GIT: Readonly<Record<string, Check>> = {
  am: () => stuck('am'),
  'cherry-pick': () => stuck('cherry-pick'),
  merge: () => stuck('merge'),
  rebase: () => stuck('rebase'),
  revert: () => stuck('revert'),
  apply: ({ has }) =>
    has('', 'check') || has('', 'stat') ? null : 'run again, it fails: the change is there, in part or whole',
  commit: () => 'run again, it fails as nothing is left to commit, or commits twice; its time is another one',
  clone: () => 'killed in its middle, it leaves a folder, and run again it fails',
  mv: () => 'run again, it fails: its source has moved',
  tag: ({ words, has }) =>
    has('f', 'force') || has('l', 'list') || words.length === 1 ? null : FAILS_IF_THERE,
};

/** The word after git's own options. */
const gitVerb = (words: readonly string[]): string | undefined =>
  words.find((word, at) => !word.startsWith('-') && !/^-[Cc]$/.test(words[at - 1] ?? ''));

/** What happens when such a command is interrupted in its middle and run again; `null` when nothing does. */
const NOT_REPEATABLE: Readonly<Record<string, Check>> = {
  patch: ({ has, isGuarded }) =>
    isGuarded || has('N', 'forward') || has('', 'dry-run')
      ? null
      : 'run again, it finds hunks applied already, and fails or takes them back',
  mv: ({ operands }) => (operands.length === 0 ? null : 'run again, it fails: its source has moved'),
  mkdir: ({ has }) => (has('p', 'parents') ? null : 'run again, it fails: the folder is there'),
  mkfifo: () => FAILS_IF_THERE,
  mknod: () => FAILS_IF_THERE,
  ln: ({ has, operands }) =>
    operands.length === 0 || has('f', 'force') ? null : 'run again, it fails: the link is there',
  rm: ({ has, operands }) =>
    operands.length === 0 || has('f', 'force') ? null : 'run again, it fails: what it had removed is gone',
  rmdir: ({ has }) =>
    has('', 'ignore-fail-on-non-empty') ? null : 'run again, it fails: what it had removed is gone',
  tee: ({ has }) => (has('a', 'append') ? 'what was appended before the interrupt is there twice' : null),
  cp: ({ has, operands }) => (isAmbiguousCopy({ has, operands }) ? COPY_MESSAGE : null),
  unzip: ({ has }) =>
    has('o') || has('n') || has('l') || has('p') || has('t')
      ? null
      : 'run again, it asks whether to replace what is there',
  gunzip: (call) => compresses(call),
  gzip: (call) => compresses(call),
  xz: (call) => compresses(call),
  unxz: (call) => compresses(call),
  bzip2: (call) => compresses(call),
  bunzip2: (call) => compresses(call),
  useradd: () => 'run again, it fails: the user is there',
  adduser: () => 'run again, it fails: the user is there',
  groupadd: () => 'run again, it fails: the group is there',
  addgroup: () => 'run again, it fails: the group is there',
  git: (call) => own(GIT, gitVerb(call.words) ?? '')?.(call) ?? null,
};

const COPY_MESSAGE =
  'when its target was not there before, run again it copies into the one that is there now';

/** `cp -r A B` means something else once B is a folder; `A/.`, `B/` and several sources don't. */
const isAmbiguousCopy = ({
  has,
  operands: [source = '', target = '', ...more],
}: Pick<Call, 'has' | 'operands'>) =>
  (has('r', 'recursive') || has('R') || has('a', 'archive')) &&
  !has('T', 'no-target-directory') &&
  !has('t', 'target-directory') &&
  more.length === 0 &&
  target !== '' &&
  !/\/\.?$|\*/.test(source) &&
  // What looks like a file's name is one.
  (!/[^/]\.[A-Za-z]\w*["']?$/.test(source) || /\.(?:app|d|framework)["']?$/.test(source)) &&
  !/(?:^|\/)\.{0,2}$/.test(target);

const compresses = ({ has, operands }: Call): string | null =>
  operands.length === 0 || has('c', 'stdout') || has('f', 'force') || has('t', 'test') || has('l', 'list')
    ? null
    : 'run again, it finds half its output there and refuses, or its input gone';

const CLOCK = 'another leg runs at another time; take it from SOURCE_DATE_EPOCH';
const OTHER_VALUE: Readonly<Record<string, Check>> = {
  date: ({ words }) => (hasFixedDate(words) ? null : CLOCK),
  mktemp: () => 'run again, it makes another one under another name; the first one stays',
  uuidgen: () => 'each run gives another one',
  shuf: ({ words }) =>
    words.some((word) => word.startsWith('--random-source')) ? null : 'each run gives another order',
  printf: ({ words }) => (/%\([^)]*\)T/.test(words.join(' ')) && !isGivenTime(words) ? CLOCK : null),
};

/** `-d @EPOCH`, `--date="$SOURCE_DATE_EPOCH"`, `-r FILE`: not `now` or `+1 day`. */
function hasFixedDate(words: readonly string[]): boolean {
  for (const [at, word] of words.entries()) {
    if (/^(?:-\w*r|--reference)/.test(word)) return true;
    const [, inside] = /^(?:-[uIR]*d|--date=)(.*)$/.exec(word) ?? [];
    const value = inside === '' || word === '--date' ? (words[at + 1] ?? '') : inside;
    if (value !== undefined && /^["']?(?:@|\d|\$)/.test(value)) return true;
  }
  return false;
}

/** `printf '%(%F)T' "$SOURCE_DATE_EPOCH"`; without an argument, or with -1, it is now. */
const isGivenTime = (words: readonly string[]): boolean => {
  const after = words.slice(words.findIndex((word) => word.includes(')T')) + 1);
  return after.length > 0 && !after.some((word) => word === '-1' || word === '-2');
};

/** The hazard of a simple command, if it is one. */
export function hazardOfCommand(
  node: Command,
  { isGuarded }: { readonly isGuarded: boolean },
): Omit<Hazard, 'line'>[] {
  const all = [node.name?.text ?? '', ...wordsOf(node)];
  const { name, words } = withoutWrappers(all);
  const operands = words.filter((word) => !/^-./.test(word));
  const has = (letter: string, long?: string): boolean =>
    words.some(
      (word) =>
        (letter !== '' && /^-[A-Za-z0-9]+$/.test(word) && word.includes(letter)) ||
        (long !== undefined && (word === `--${long}` || word.startsWith(`--${long}=`))),
    );
  const call: Call = { words, operands, has, isGuarded };
  const again = own(NOT_REPEATABLE, name)?.(call) ?? null;
  const other = own(OTHER_VALUE, name)?.(call) ?? null;
  const what = name === 'git' ? `git ${gitVerb(words) ?? ''}` : name;
  return [
    ...(again === null ? [] : [{ kind: 'not-repeatable', what, message: again } as const]),
    ...(other === null ? [] : [{ kind: 'other-value', what, message: other } as const]),
  ];
}

const own = (table: Readonly<Record<string, Check>>, name: string): Check | undefined =>
  Object.hasOwn(table, name) ? table[name] : undefined;

/** `sudo mv`, `env A=b /bin/mv`: the command that is meant. */
function withoutWrappers([first = '', ...rest]: readonly string[]): { name: string; words: string[] } {
  const name = first.replace(/^.*\//, '');
  if (/^(?:command|builtin|exec|sudo|env|nice|time|nohup|fakeroot)$/.test(name)) {
    const at = rest.findIndex((word) => !/^-|^\w+=/.test(word));
    if (at >= 0) return withoutWrappers(rest.slice(at));
  }
  return { name, words: rest };
}
