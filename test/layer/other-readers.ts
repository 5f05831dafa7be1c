import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TarReader } from '../../lib/layer/tar-reader.js';
import type { TarMember } from '../../lib/layer/tar-member.js';
import { fromBytes, toBytes } from '../../lib/rootfs/entry.js';
import { parseGnuListing } from './gnu-listing.js';

/** A member as every reader must see it, and the content of a regular file. */
export interface SeenMember {
  /** `TYPE MODE UID GID SIZE MTIME PATH TARGET`, names in JSON. */
  readonly line: string;
  readonly path: string;
  readonly xattrs: string;
  readonly content: Buffer | null;
}

/** More than this of content is not compared: sparse files may have any size. */
const MOST_CONTENT = 4 << 20;

/** What our own reader makes of an archive. @throws RbmResumeError where it refuses it */
export function seeByUs(bytes: Buffer): SeenMember[] {
  const found: { member: TarMember; content: Buffer | null }[] = [];
  let room = MOST_CONTENT;
  const reader = new TarReader({
    onMember: (member) => {
      const size = Number(member.meta.split(' ')[4]);
      const content = member.type === 'f' && size <= room ? Buffer.alloc(size) : null;
      room -= size;
      found.push({ member, content });
      if (content !== null) return (chunk, offset) => void chunk.copy(content, offset);
    },
  });
  reader.write(bytes);
  reader.end();
  return found.map(({ member, content }) => {
    const line = lineOf(member);
    return { line, path: member.path, xattrs: member.xattrs, content };
  });
}

export const lineOf = ({ type, meta, path, target }: Omit<TarMember, 'xattrs'>): string =>
  `${type}${meta.slice(1)} ${JSON.stringify(path)} ${JSON.stringify(target)}`;

/**
 * How GNU tar and bsdtar see archives that we accept, compared with how we do; for each what is different, or `null`. Both
 * run once an archive, below one shell for all. What bsdtar reads is what it writes as a pax archive.
 */
export function compareReaders(archives: readonly Buffer[]): (string | null)[] {
  const dir = mkdtempSync(join(tmpdir(), 'rbm-resume-readers-'));
  try {
    const seen = archives.map(seeByUs);
    archives.forEach((bytes, number) => writeFileSync(join(dir, `${number}.tar`), bytes));
    execFileSync('bash', ['-c', READ_ALL, 'bash', String(archives.length)], {
      cwd: dir,
      env: { PATH: process.env['PATH'], LC_ALL: 'C.UTF-8', TZ: 'UTC' },
    });
    return seen.map((ours, number) => {
      const read = (name: string) => readFileSync(join(dir, `${number}.${name}`));
      return differenceFromGnu(ours, read) ?? differenceFromBsd(ours, read);
    });
  } finally {
    rmSync(dir, { recursive: true });
  }
}

const READ_ALL = `
ulimit -f 65536
for ((n = 0; n < $1; n++)); do
  tar --list -vv --full-time --numeric-owner --quoting-style=c --warning=no-unknown-keyword -f $n.tar > $n.gnu 2> $n.gnu-said || echo "exit status $?" >> $n.gnu-said
  timeout 20 tar --extract --to-stdout -f $n.tar 2> $n.gnu-content-said | cat > $n.gnu-content
  timeout 20 bsdtar -xOf $n.tar 2> /dev/null | cat > $n.bsd-content
  timeout 20 bsdtar -cf $n.bsd --format=pax "@$n.tar" > $n.bsd-said 2>&1 || echo "exit status $?" >> $n.bsd-said
done
`;

type ReadOutput = (name: string) => Buffer;

function differenceFromGnu(ours: readonly SeenMember[], read: ReadOutput): string | null {
  const said = read('gnu-said').toString();
  if (said !== '') return `GNU tar: ${said.trim()}`;
  let listed: string[];
  try {
    listed = parseGnuListing(fromBytes(read('gnu'))).map(lineOf);
  } catch (error) {
    return String(error);
  }
  const different = differentLine(
    ours.map(({ line }) => shownByGnu(line)),
    listed,
  );
  if (different !== null) return `GNU tar: ${different}`;
  if (ours.some(({ line, content }) => line.startsWith('f') && content === null)) return null;
  const contents = ours.map(({ content }) => content ?? Buffer.alloc(0));
  const [mine, theirs] = [Buffer.concat(contents), read('gnu-content')];
  return mine.equals(theirs) ? null : `GNU tar has other contents: ${read('gnu-content-said').toString()}`;
}

/** libarchive gives up at names that are not UTF-8, in a locale where all are. */
const UNABLE =
  /can't be converted from UTF-8 to current locale|(?:Can't translate|[Ll]inkname can't|[UG]name can't)/;

function differenceFromBsd(ours: readonly SeenMember[], read: ReadOutput): string | null {
  if (ours.some(({ line, content }) => line.startsWith('f') && content === null)) return null;
  const said = read('bsd-said').toString();
  if (UNABLE.test(said)) return null;
  if (said !== '') return `bsdtar: ${said.trim()}`;
  let theirs: SeenMember[];
  try {
    theirs = seeByUs(read('bsd'));
  } catch (error) {
    // It writes maps of sparse files whose pieces end within blocks, which we don't take.
    if (String(error).includes('the map of a sparse file')) return differenceInContent(ours, read);
    return `bsdtar writes what we refuse: ${String(error)}`;
  }
  const digest = (content: Buffer | null) =>
    content === null ? '-' : createHash('sha256').update(content).digest('hex').slice(0, 8);
  const told = ({ line, xattrs, content }: SeenMember) => `${line} ${shared(xattrs)} ${digest(content)}`;
  const different = differentLine(
    ours.map((member) => composed(told({ ...member, line: shownByBsd(member.line) }))),
    theirs.map((member) => composed(told(member))),
  );
  return different === null ? null : `bsdtar: ${different}`;
}

/** libarchive composes characters of names in pax headers (Unicode's NFC). */
const composed = (line: string): string => toBytes(line).toString('utf8').normalize('NFC');

function differenceInContent(ours: readonly SeenMember[], read: ReadOutput): string | null {
  const mine = Buffer.concat(ours.map(({ content }) => content ?? Buffer.alloc(0)));
  return mine.equals(read('bsd-content')) ? null : 'bsdtar has other contents of sparse files';
}

/**
 * Attributes as libarchive shows them too: it leaves `=` and `%` in names as GNU tar escapes them, and what stands there in
 * the words of other programs (ACLs as text, the label of SELinux) it gives back in others or, malformed, not at all.
 */
const shared = (xattrs: string): string =>
  xattrs
    .split(' ')
    .map((one) => one.replaceAll('%3D', '=').replaceAll('%25', '%'))
    .filter((one) => !/^(?:SCHILY\.acl|RHT|security\.selinux)/.test(one))
    .sort()
    .join(' ');

/**
 * Both show a fraction of a second before 1970 wrongly: GNU tar lists the time -0.75 as 0.75 and -1.75 as -0.25, though it
 * extracts them rightly; bsdtar reads -0.75 as 0.75. What follows is how they show our time.
 */
const shownByGnu = (line: string): string => withTime(line, (seconds) => seconds + 1);
const shownByBsd = (line: string): string => withTime(line, (seconds) => (seconds === -1 ? 0 : null));

function withTime(line: string, shown: (seconds: number) => number | null): string {
  return line.replace(
    /^((?:\S+ ){5})(-\d+)\.(\d{9}) /,
    (whole, head: string, second: string, nanos: string) => {
      const seconds = nanos === '000000000' ? null : shown(Number(second));
      const fraction = String(1_000_000_000 - Number(nanos)).padStart(9, '0');
      return seconds === null ? whole : `${head}${seconds}.${fraction} `;
    },
  );
}

function differentLine(ours: readonly string[], theirs: readonly string[]): string | null {
  const at = ours.findIndex((line, number) => line !== theirs[number]);
  if (at === -1 && ours.length === theirs.length) return null;
  const number = at === -1 ? ours.length : at;
  return `member ${number} is ${theirs[number] ?? 'missing'} instead of ${ours[number] ?? 'missing'}`;
}
