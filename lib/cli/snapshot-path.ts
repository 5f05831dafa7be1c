import { readFileSync } from 'node:fs';
import { fromBytes } from '../rootfs/entry.js';

/**
 * A path of the command line as the byte string that `Entry.path` is; a slash or `./` in front, and a slash at the end, may
 * stand there. Node replaces what is not UTF-8 in arguments, so such a name is taken from the kernel. Source:
 * proc_pid_cmdline(5).
 */
export function parseSnapshotPath(argument: string): string {
  const bytes = argument.includes('\ufffd') ? readRawArgument(argument) : Buffer.from(argument, 'utf8');
  return fromBytes(bytes)
    .split('/')
    .filter((part) => part !== '' && part !== '.')
    .join('/');
}

function readRawArgument(argument: string): Buffer {
  const text = fromBytes(readFileSync('/proc/self/cmdline'));
  const raw = text.split('\0').map((one) => Buffer.from(one, 'latin1'));
  return raw.find((one) => one.toString('utf8') === argument) ?? Buffer.from(argument, 'utf8');
}
