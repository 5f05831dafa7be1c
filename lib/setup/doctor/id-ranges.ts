import { readFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import type { IdRange } from '../../id-map.js';
import { ok, problem, warning, type Finding } from './finding.js';

/** As many ids as a Debian system uses: 0 to 65,534, and one to spare. */
const ENOUGH_IDS = 65_536;

export interface IdRangeFacts {
  readonly user: { readonly name: string; readonly uid: number };
  /** The text of `/etc/subuid` and `/etc/subgid`; `null` when it can't be read. */
  readonly subuid: string | null;
  readonly subgid: string | null;
}

export async function readIdRangeFacts(): Promise<IdRangeFacts> {
  const { username, uid } = userInfo();
  const [subuid = null, subgid = null] = await Promise.all(
    ['/etc/subuid', '/etc/subgid'].map((file) => readFile(file, 'utf8').catch(() => null)),
  );
  return { user: { name: username, uid }, subuid, subgid };
}

/** The ranges of ids of the caller: subuid(5), and what rbm makes of it, which takes the first line that fits. */
export const judgeIdRanges = ({ user, subuid, subgid }: IdRangeFacts): Finding[] => [
  judgeFile('subuid', subuid, user),
  judgeFile('subgid', subgid, user),
];

interface Line extends IdRange {
  readonly owner: string;
}

function judgeFile(check: 'subuid' | 'subgid', text: string | null, user: IdRangeFacts['user']): Finding {
  const file = `/etc/${check}`;
  const lines = parseLines(text ?? '');
  const isOwn = ({ owner }: Line) => owner === user.name || owner === String(user.uid);
  const own = lines.filter(isOwn);
  const [first] = own;
  const free = `${user.name}:${nextFree(lines)}:${ENOUGH_IDS}`;
  if (first === undefined) {
    return problem(
      check,
      text === null ? `${file} can't be read` : `${file} has no range of ids for ${user.name}`,
      `Add the line ${free} to ${file}.`,
    );
  }
  const several =
    own.length > 1 ? `, the first of its ${own.length} lines, which is the one that rbm uses` : '';
  const range = `${first.owner}:${first.first}:${first.count}${several}`;
  if (first.count < ENOUGH_IDS) {
    return warning(
      check,
      `${file} gives ${user.name} ${first.count} ids (${range}); containers use ${ENOUGH_IDS}, up to nobody's`,
      own.some(({ count }) => count >= ENOUGH_IDS)
        ? `Move the line of ${user.name} with the largest range before its other ones.`
        : `Change that line of ${file} to ${free}.`,
    );
  }
  const others = lines.filter((line) => !isOwn(line) && isOverlapping(line, first));
  if (others.length > 0) {
    const names = [...new Set(others.map(({ owner }) => owner))].join(', ');
    return warning(
      check,
      `in ${file} the range of ${user.name} (${range}) overlaps that of ${names}: each can change the other's files`,
      `Give ${user.name} a range of its own, such as ${free}.`,
    );
  }
  return ok(check, `${file}: ${range}`);
}

function parseLines(text: string): Line[] {
  return text.split('\n').flatMap((line) => {
    const [owner, first, count] = line.split(':');
    const range = { owner: owner ?? '', first: Number(first), count: Number(count) };
    const isRange = Number.isSafeInteger(range.first) && Number.isSafeInteger(range.count) && range.count > 0;
    return isRange && range.owner !== '' ? [range] : [];
  });
}

const isOverlapping = (a: IdRange, b: IdRange): boolean =>
  a.first < b.first + b.count && b.first < a.first + a.count;

const nextFree = (lines: readonly IdRange[]): number =>
  Math.max(100_000, ...lines.map(({ first, count }) => first + count));
