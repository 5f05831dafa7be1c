import type { TarMember } from '../../lib/layer/tar-member.js';

/** What `tar --list -vv --full-time --numeric-owner --quoting-style=c` prints, as members without attributes. */
export function parseGnuListing(text: string): Omit<TarMember, 'xattrs'>[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => parseLine(line));
}

const QUOTED = '"((?:[^"\\\\]|\\\\.)*)"';
const LINE = new RegExp(
  `^([-Cdlhbcp])([-rwxsStT]{9}) (\\d+)/(\\d+) +(\\d+(?:,\\d+)?) (\\S+(?: \\d\\d:\\d\\d:\\d\\d(?:\\.\\d+)?)?) +${QUOTED}(?: (?:->|link to) ${QUOTED})?$`,
);
const TYPES: Readonly<Record<string, TarMember['type']>> = { '-': 'f', C: 'f' };

function parseLine(line: string): Omit<TarMember, 'xattrs'> {
  const match = LINE.exec(line);
  if (match === null) throw new Error(`a line of GNU tar that is not understood: ${line}`);
  const [, letter = '', mode = '', uid, gid, size = '', time = '', name = '', linkName] = match;
  const type = TYPES[letter] ?? (letter as TarMember['type']);
  const isDevice = type === 'c' || type === 'b';
  const target = isDevice ? size : linkName === undefined ? '' : unquote(linkName);
  const bytes = type === 'f' ? size : '0';
  return {
    type,
    path: normalized(unquote(name)),
    meta: `${type === 'h' ? 'f' : type} ${octal(mode)} ${uid} ${gid} ${bytes} ${timeOf(time)}`,
    target: type === 'h' ? normalized(target) : target,
  };
}

/** Without slashes and dots that mean nothing. */
const normalized = (name: string): string =>
  name
    .split('/')
    .filter((part) => part !== '' && part !== '.')
    .join('/');

function octal(mode: string): string {
  let value = 0;
  for (const [at, character] of [...mode].entries()) {
    const bit = 0o400 >> at;
    if (!'-ST'.includes(character)) value |= bit;
    if ('sStT'.includes(character)) value |= { 2: 0o4000, 5: 0o2000, 8: 0o1000 }[at] ?? 0;
  }
  return value.toString(8);
}

const ESCAPES: Readonly<Record<string, string>> = {
  ...{ a: '\x07', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' },
};

const unquote = (text: string): string =>
  text.replace(/\\(?:([0-7]{3})|(.))/g, (_, digits: string | undefined, character: string) =>
    digits === undefined
      ? (ESCAPES[character] ?? character)
      : String.fromCharCode(Number.parseInt(digits, 8)),
  );

/** `2026-11-28 00:56:59.5` of UTC as `1795827419.500000000`; years may be beyond what `Date` holds. */
function timeOf(text: string): string {
  const match = /^(-?\d+)-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)(?:\.(\d+))?$/.exec(text);
  if (match === null) return text;
  const [year = 0, month = 0, day = 0, hours = 0, minutes = 0, seconds = 0] = match.slice(1, 7).map(Number);
  const total = daysBefore(year, month, day) * 86_400 + hours * 3600 + minutes * 60 + seconds;
  return `${total}.${(match[7] ?? '').padEnd(9, '0')}`;
}

/** Days from 1970 to a day of the Gregorian calendar. Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms". */
function daysBefore(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const yearOfEra = y - era * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}
