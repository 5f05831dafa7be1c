import type { Entry } from '../rootfs/entry.js';

/** An entry as `ls -l --numeric-uid-gid --time-style=full-iso` has it, up to the name. */
export function describeEntry(entry: Entry, links: number): string {
  const [type = '', mode = '', uid = '', gid = '', size = '', time = ''] = entry.meta.split(' ');
  const amount = entry.target !== '' && type !== 'l' ? entry.target.replace(',', ', ') : size;
  const columns = [String(links).padStart(2), uid.padStart(5), gid.padStart(5), amount.padStart(10)];
  return `${type === 'f' ? '-' : type}${formatMode(Number.parseInt(mode, 8))}${markXattrs(entry)} ${columns.join(' ')} ${formatTime(time)}`;
}

/** `rwxr-xr-x`, with set-user-id, set-group-id and sticky as ls(1) writes them. */
function formatMode(mode: number): string {
  return [6, 3, 0]
    .map((shift, at) => {
      const bits = (mode >> shift) & 7;
      const isSpecial = (mode & (0o4000 >> at)) !== 0;
      const letter = at === 2 ? 't' : 's';
      const execute = (bits & 1) !== 0 ? (isSpecial ? letter : 'x') : isSpecial ? letter.toUpperCase() : '-';
      return `${(bits & 4) !== 0 ? 'r' : '-'}${(bits & 2) !== 0 ? 'w' : '-'}${execute}`;
    })
    .join('');
}

/** `+` for an ACL, `@` for other extended attributes. */
const markXattrs = ({ xattrs }: Entry): string =>
  xattrs.includes('posix_acl') || xattrs.includes('SCHILY.acl') ? '+' : xattrs === '' ? ' ' : '@';

/** `tv_sec.tv_nsec` as a time in UTC with nanoseconds; `@` and the number where no calendar reaches. */
function formatTime(time: string): string {
  const [seconds = '', nanoseconds = ''] = time.split('.');
  const date = new Date(Number(seconds) * 1000);
  if (Number.isNaN(date.getTime())) return `@${time}`;
  return `${date.toISOString().slice(0, -5).replace('T', ' ')}.${nanoseconds}`;
}
