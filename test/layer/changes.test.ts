import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { execInIdMap } from '../../lib/id-map.js';
import { findChanges, type Changes } from '../../lib/layer/changes.js';
import { nameHardLinks, type LayeredTree } from '../../lib/layer/merge.js';
import { writeListing } from '../../lib/rootfs/baseline.js';
import { removeTree } from '../../lib/rootfs/move-tree.js';
import { hashRecords, openScan, type ScannedTree } from '../../lib/rootfs/scan.js';
import { readXattrs } from '../../lib/rootfs/xattrs.js';

/** What the tree is before each change; every mtime is the same, and nothing tells two files of one size apart. */
const START = `
  mkdir -p a/deep b empty full; echo 1 > a/one; echo 2 > a/two; echo 3 > a/deep/three; echo 4 > b/one; echo 5 > full/x
  echo 6 > file; ln -s file link; echo 7 > h1; ln h1 a/h2; ln h1 b/h3; mkfifo pipe
  setfattr -n user.old -v 1 a/two; find . -exec touch -h -d @1000000000 {} +`;

interface Case {
  readonly script: string;
  readonly paths: readonly string[];
  readonly removed?: readonly string[];
}

const SET_BACK = 'touch -h -d @1000000000';
const CASES: Record<string, Case> = {
  'other content of the same size, with the time set back': {
    script: `echo 9 > file; ${SET_BACK} file`,
    paths: ['', 'file'],
  },
  'a file that was replaced by one of the same size and time': {
    script: `echo 9 > new; ${SET_BACK} new; mv new a/one; ${SET_BACK} a .`,
    paths: ['', 'a', 'a/one'],
  },
  'two files that have changed places': {
    script: `mv a/one t; mv b/one a/one; mv t b/one; ${SET_BACK} a b .`,
    paths: ['', 'a', 'a/one', 'b', 'b/one'],
  },
  'two directories that have changed places': {
    script: `mv a t; mv b a; mv t b; ${SET_BACK} .`,
    paths: ['', 'a', 'a/h3', 'a/one', 'b', 'b/deep', 'b/deep/three', 'b/h2', 'b/one', 'b/two', 'h1'],
    removed: ['a/deep', 'a/h2', 'a/two', 'b/h3'],
  },
  'content that was written through another name of the file': {
    script: `echo 9 > b/h3; ${SET_BACK} b/h3`,
    paths: ['', 'a', 'a/h2', 'b', 'b/h3', 'h1'],
  },
  'the mode alone': { script: 'chmod u+s a/one', paths: ['', 'a', 'a/one'] },
  'the owner alone': { script: 'chown 7 a/one', paths: ['', 'a', 'a/one'] },
  'the group of a symbolic link': { script: 'chgrp -h 7 link', paths: ['', 'link'] },
  'a mode that was set back': { script: 'chmod 777 file; chmod 644 file', paths: ['', 'file'] },
  'a new attribute': { script: 'setfattr -n user.new -v 1 file', paths: ['', 'file'] },
  'an attribute with another value': { script: 'setfattr -n user.old -v 2 a/two', paths: ['', 'a', 'a/two'] },
  'an attribute that is gone': { script: 'setfattr -x user.old a/two', paths: ['', 'a', 'a/two'] },
  'an attribute of a directory': { script: 'setfattr -n user.new -v 1 empty', paths: ['', 'empty'] },
  'an ACL that leaves the mode as it is': { script: 'setfacl -m u:7:r file', paths: ['', 'file'] },
  'a default ACL': { script: 'setfacl -d -m u:7:rwx empty', paths: ['', 'empty'] },
  'a file that has become a symbolic link': { script: 'rm file; ln -s a file', paths: ['', 'file'] },
  'a file that has become a directory': {
    script: 'rm file; mkdir file; echo 1 > file/in',
    paths: ['', 'file', 'file/in'],
  },
  'a directory that has become a file': { script: 'rm -r full; echo 5 > full', paths: ['', 'full'] },
  'a directory with directories that has become a symbolic link to them': {
    script: `mv a other; ln -s other a; ${SET_BACK} .`,
    paths: [
      '',
      'a',
      'b',
      'b/h3',
      'h1',
      'other',
      'other/deep',
      'other/deep/three',
      'other/h2',
      'other/one',
      'other/two',
    ],
  },
  'a symbolic link that has become a file': { script: 'rm link; echo 1 > link', paths: ['', 'link'] },
  'a fifo that has become a file': { script: 'rm pipe; : > pipe', paths: ['', 'pipe'] },
  'a symbolic link with another target of the same length': {
    script: `ln -sfn elif link; ${SET_BACK} link .`,
    paths: ['', 'link'],
  },
  'a file that was a directory for a while': {
    script: `rm file; mkdir file; touch file/x; rm -r file; echo 6 > file; ${SET_BACK} file .`,
    paths: ['', 'file'],
  },
  'a directory that was emptied': { script: 'rm full/x', paths: ['', 'full'], removed: ['full/x'] },
  'a file that is gone': { script: 'rm a/one', paths: ['', 'a'], removed: ['a/one'] },
  'a directory that is gone with all that was in it': {
    script: 'rm -r a/deep',
    paths: ['', 'a'],
    removed: ['a/deep'],
  },
  'one of several names that is gone': {
    script: 'rm a/h2',
    paths: ['', 'a', 'b', 'b/h3', 'h1'],
    removed: ['a/h2'],
  },
  'the time of a directory alone': { script: 'touch empty', paths: ['', 'empty'] },
  'the time of a symbolic link alone': { script: 'touch -h link', paths: ['', 'link'] },
  'a new name of an old file': {
    script: `ln file a/new; ${SET_BACK} a`,
    paths: ['', 'a', 'a/new', 'file'],
  },
  'a new name of a file that has several': {
    script: 'ln b/h3 more',
    paths: ['', 'a', 'a/h2', 'b', 'b/h3', 'h1', 'more'],
  },
  'a name that is no link any more, though all else is the same': {
    script: `cp -p a/h2 t; mv t a/h2; ${SET_BACK} a .`,
    paths: ['', 'a', 'a/h2', 'b', 'b/h3', 'h1'],
  },
  'two files of the same content that have become one': {
    script: `ln -f a/one b/one; ${SET_BACK} a b`,
    paths: ['', 'a', 'a/one', 'b', 'b/one'],
  },
  'a directory that was made anew, just as it was': {
    script: `rmdir empty; mkdir empty; ${SET_BACK} empty .`,
    paths: ['', 'empty'],
  },
  'a new directory': { script: 'mkdir -p new/er', paths: ['', 'new', 'new/er'] },
  'names that look like others': {
    script: "touch full.x 'full x' a/.wh full/x.wh.",
    paths: ['', 'a', 'a/.wh', 'full', 'full x', 'full.x', 'full/x.wh.'],
  },
};

describe('the changes of a tree', { timeout: 240_000 }, () => {
  let work: string;
  let rootfs: string;
  let baseline: string;
  beforeEach(async () => {
    work = mkdtempSync(join(tmpdir(), 'rbm-resume-changes-'));
    [rootfs, baseline] = [join(work, 'rootfs'), join(work, 'baseline')];
    mkdirSync(rootfs);
    await change(START);
  });
  afterEach(() => removeTree(work));

  const change = async (script: string): Promise<void> => {
    await execInIdMap(['bash', '-ec', `cd "$1"; ${script}`, 'bash', rootfs]);
  };
  async function scan(file: string): Promise<ScannedTree> {
    await writeListing(rootfs, file);
    return openScan(file, await readXattrs(rootfs));
  }
  /** The tree as if one layer had made it. */
  async function asLower(from: ScannedTree): Promise<LayeredTree> {
    const lower: LayeredTree = new Map();
    for await (const batch of from.batches())
      for (const { path, meta, target, link, xattrs } of batch)
        lower.set(path, { path, meta, target, link, xattrs, layer: 0 });
    nameHardLinks(lower);
    return lower;
  }
  async function changesAfter(script: string, isBaselineKnown = true): Promise<Changes> {
    const lower = await asLower(await scan(baseline));
    await change(script);
    const records = isBaselineKnown ? await hashRecords(baseline) : null;
    return findChanges(await scan(join(work, 'now')), { lower, baseline: records });
  }

  for (const [what, { script, paths, removed = [] }] of Object.entries(CASES)) {
    it(`are just these after ${what}`, async () => {
      const changes = await changesAfter(script);
      assert.deepEqual([changes.paths, changes.removed], [paths, removed]);
    });
  }

  it('are none when nothing has changed, also where files were read', async () => {
    const changes = await changesAfter('cat file a/one > /dev/null; ls -R > /dev/null');
    assert.deepEqual([changes.paths, changes.removed], [[], []]);
  });

  it('are the root at most when the tree was moved to another place', async () => {
    const lower = await asLower(await scan(baseline));
    await execInIdMap(['mv', rootfs, join(work, 'moved')]);
    rootfs = join(work, 'moved');
    const now = await scan(join(work, 'now'));
    const changes = await findChanges(now, { lower, baseline: await hashRecords(baseline) });
    assert.deepEqual(
      changes.paths.filter((path) => path !== ''),
      [],
    );
  });

  it('are everything when nothing is known of the content, and so in a copy that looks just the same', async () => {
    const all = (await changesAfter(':', false)).paths;
    assert.equal(all.length, 17);
    const copied = await changesAfter('cp -a . ../copy; rm -rf ./*; cp -a ../copy/. .; rm -r ../copy');
    assert.deepEqual(copied.paths, all);
  });

  it('leave to the lower layers nothing that these have otherwise, whatever the baseline says', async () => {
    const now = await scan(baseline);
    const lower = await asLower(now);
    const records = await hashRecords(baseline);
    const edit = (path: string, more: object) => lower.set(path, { ...lower.get(path)!, ...more });
    edit('file', { xattrs: 'user.a=eA==' });
    edit('link', { target: 'a' });
    edit('full', { meta: lower.get('full')!.meta.replace('d 7', 'd 5') });
    lower.delete('empty');
    edit('h1', { link: '' });
    const changes = await findChanges(now, { lower, baseline: records });
    assert.deepEqual(changes.paths, ['', 'a', 'a/h2', 'b', 'b/h3', 'empty', 'file', 'full', 'h1', 'link']);
  });

  it('take all names of a file along where the lower layers had other groups', async () => {
    const lower = await asLower(await scan(baseline));
    // What are three names now were one pair and a file of its own; what was a pair is two files.
    const edit = (path: string, link: string) => lower.set(path, { ...lower.get(path)!, link });
    edit('h1', '');
    edit('a/one', 'a/one');
    edit('b/one', 'a/one');
    await change('echo 8 > a/one');
    const records = await hashRecords(baseline);
    const changes = await findChanges(await scan(join(work, 'now')), { lower, baseline: records });
    assert.deepEqual(changes.paths, ['', 'a', 'a/h2', 'a/one', 'b', 'b/h3', 'b/one', 'h1']);
  });

  it('count what no layer holds, and hide what it has replaced', async () => {
    const changes = await changesAfter(
      'rm file; perl -MIO::Socket::UNIX -e \'IO::Socket::UNIX->new(Local => "file", Listen => 1)\'',
    );
    assert.deepEqual([changes.leftOut, changes.removed], [{ sockets: 1, devices: 0 }, ['file']]);
    assert.deepEqual(changes.paths, ['']);
  });

  for (const name of ['.wh.x', '.wh..wh..opq', 'a/.wh.one', '.wh.']) {
    it(`are refused when a name is ${name}`, async () => {
      await assert.rejects(changesAfter(`touch '${name}'`), { code: 'UNKEEPABLE_NAME' });
    });
  }
});
