import { join } from 'node:path';
import type { Packer, Restorer } from '../contestant.js';
import { bytesIn, scratchFolder, type Workspace } from '../workspace.js';

/** What this system's first version did: an archive of all, cut into pieces that a CI service takes. */
export const SPLIT_SCRIPT =
  'tar -C "$1" -czf "$2/tree.tar.gz" . && split -b 100M "$2/tree.tar.gz" "$2/part-"';

export const tarGzSplit = (work: Workspace): Packer => ({
  name: 'tar -czf + split',
  pack: async (round) => {
    const dir = await scratchFolder(work, `tar-gz-${round}`);
    const used = await work.session.timedScript(SPLIT_SCRIPT, [work.tree, dir]);
    // The archive and its pieces hold the same bytes.
    return { ...used, bytes: (await bytesIn(work.session, dir)) / 2 };
  },
});

const XATTRS = "--format=posix --xattrs --xattrs-include='*' --acls --numeric-owner";

export const tarZstd = (work: Workspace): Packer => ({
  name: 'tar | zstd -3 -T0',
  pack: async (round) => {
    const dir = await scratchFolder(work, `tar-zstd-${round}`);
    const script = `tar -C "$1" ${XATTRS} -cf - . | zstd -q -3 -T0 -o "$2/tree.tar.zst"`;
    const used = await work.session.timedScript(script, [work.tree, dir]);
    return { ...used, bytes: await bytesIn(work.session, dir) };
  },
});

export const tarGzJoined = (work: Workspace): Restorer => {
  const dir = join(work.scratch, 'tar-gz-source');
  return {
    name: 'cat parts | tar -xzf',
    setUp: async () => {
      await scratchFolder(work, 'tar-gz-source');
      await work.session.script(SPLIT_SCRIPT, [work.tree, dir]);
    },
    restore: (to) =>
      work.session.timedScript('mkdir "$2" && cat "$1"/part-* | tar -C "$2" --numeric-owner -xpzf -', [
        dir,
        to,
      ]),
  };
};

export const tarZstdExtracted = (work: Workspace): Restorer => {
  const archive = join(work.scratch, 'tree.tar.zst');
  return {
    name: 'zstd -d | tar -x of all',
    setUp: async () => {
      const script = `tar -C "$1" ${XATTRS} -cf - . | zstd -q -3 -T0 -o "$2"`;
      await work.session.script(script, [work.tree, archive]);
    },
    restore: (to) =>
      work.session.timedScript(`mkdir "$2" && zstd -qdc "$1" | tar -C "$2" ${XATTRS} -xpf -`, [archive, to]),
  };
};
