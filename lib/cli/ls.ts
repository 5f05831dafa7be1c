import type { Command } from 'commander';
import { RbmResumeError } from '../errors.js';
import { groupHardLinks, type LayeredTree } from '../layer/merge.js';
import { parentOf, printablePath, toBytes, typeOf, type Entry } from '../rootfs/entry.js';
import { openStore } from '../snapshot/open-store.js';
import { findStore } from './find-store.js';
import { describeEntry } from './long-format.js';
import { parseSnapshotPath } from './snapshot-path.js';
import { writeOut } from './write-out.js';

interface LsFlags {
  readonly l?: true;
  readonly recursive?: true;
  readonly 0?: true;
}

export function registerLs(program: Command): void {
  program
    .command('ls')
    .description('what is in a snapshot; paths are those of the container, without the slash in front')
    .argument('<hash>', 'the first digits of a project hash, with @GENERATION for an older one')
    .argument('[path]', 'a directory or a file', '/')
    .option(
      '-l',
      'also type, mode, links, ids of the container, size, time in nanoseconds (UTC), link target',
    )
    .option('-R, --recursive', 'also what is in its directories')
    .option('-0', 'end each line with a NUL and write names as they are')
    .action(async (name: string, argument: string, ...[flags, command]: [LsFlags, Command]) => {
      const store = await findStore(command.optsWithGlobals<{ store?: string }>().store);
      const tree = await (await openStore(store).open(name)).tree();
      const entries = chooseEntries(tree, parseSnapshotPath(argument), flags.recursive ?? false);
      await writeOut(formatLines(entries, tree, flags));
    });
}

function chooseEntries(tree: LayeredTree, path: string, isRecursive: boolean): Entry[] {
  const named = tree.get(path);
  const below = path === '' ? '' : `${path}/`;
  const isInside = (one: string) =>
    one !== '' && (isRecursive ? one.startsWith(below) : parentOf(one) === path) && one !== path;
  // An archive need not name its root.
  if (named === undefined && path !== '') {
    throw new RbmResumeError('NO_SUCH_FILE', `${printablePath(path)} is not in the snapshot`, {
      hint: '`rbm-resume ls` without a path begins at the root.',
      fields: { path: printablePath(path) },
    });
  }
  if (named !== undefined && typeOf(named) !== 'd') return [named];
  return [...tree.keys()]
    .filter(isInside)
    .sort()
    .flatMap((one) => tree.get(one) ?? []);
}

const LINES_AT_ONCE = 1000;

function* formatLines(entries: readonly Entry[], tree: LayeredTree, flags: LsFlags): Generator<Buffer> {
  const groups = flags.l ? groupHardLinks(tree) : new Map<string, string[]>();
  const format = (entry: Entry): Buffer => {
    const show = flags[0] ? toBytes : (text: string) => Buffer.from(printablePath(text));
    const links = groups.get(entry.link)?.length ?? 1;
    const target = flags.l && typeOf(entry) === 'l' ? [Buffer.from(' -> '), show(entry.target)] : [];
    const head = flags.l ? `${describeEntry(entry, links)} ` : '';
    return Buffer.concat([
      Buffer.from(head),
      show(entry.path),
      ...target,
      Buffer.from(flags[0] ? '\0' : '\n'),
    ]);
  };
  for (let at = 0; at < entries.length; at += LINES_AT_ONCE)
    yield Buffer.concat(entries.slice(at, at + LINES_AT_ONCE).map(format));
}
