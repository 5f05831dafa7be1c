import type { Readable } from 'node:stream';
import { execInIdMap } from '../id-map.js';
import { fromBytes } from './entry.js';

/**
 * The extended attributes that belong to a tree. Others are the host's (`security.selinux`, `security.ima`) or out of
 * reach in a user namespace (`trusted.*`).
 */
export const isKeptXattr = (name: string): boolean =>
  name.startsWith('user.') || name === 'security.capability' || name.startsWith('system.posix_acl_');

/**
 * The extended attributes of all entries below `dir` that have any, by path, in the form of `Entry.xattrs`. getfattr(1)
 * reads them inside the id map, so ids in ACLs are the container's; it takes about 0.2 s for 100,000 entries.
 * @throws RbmResumeError `COMMAND_FAILED`
 */
export async function readXattrs(dir: string): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  const argv = ['getfattr', '-R', '-h', '-P', '-d', '-m', '-', '-e', 'base64', '--', '.'] as const;
  await execInIdMap(['env', '-C', dir, ...argv], {
    consume: async (stdout) => {
      let path = '';
      let values: string[] = [];
      for await (const line of readLinesOf(stdout)) {
        if (line.startsWith('# file: ')) path = unescape(line.slice(8)).replace(/^\.(?:\/|$)/, '');
        else if (line !== '') values.push(valueOf(line));
        else values = keep(found, path, values);
      }
      keep(found, path, values);
    },
  });
  return found;
}

function keep(found: Map<string, string>, path: string, values: readonly string[]): string[] {
  const kept = values.filter((value) => isKeptXattr(value.slice(0, value.indexOf('='))));
  if (kept.length > 0) found.set(path, formatXattrs(kept));
  return [];
}

/** `NAME=BASE64` of each attribute as one text that is equal for equal attributes. */
export const formatXattrs = (values: readonly string[]): string => [...values].sort().join(' ');

/** `user.x=0sBASE64`, or the bare name of an empty one. The value holds no `=0s`, since `=` only ends base64. */
function valueOf(line: string): string {
  const at = line.lastIndexOf('=0s');
  return at === -1 ? `${unescape(line)}=` : `${unescape(line.slice(0, at))}=${line.slice(at + 3)}`;
}

/** getfattr writes control characters, backslashes and (in names of attributes) `=` as three octal digits. */
const unescape = (text: string): string =>
  text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));

async function* readLinesOf(stream: Readable): AsyncGenerator<string> {
  let rest = '';
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    const lines = (rest + fromBytes(chunk)).split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
  yield rest;
}
