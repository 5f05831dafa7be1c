/* eslint max-lines: off -- one table of cases over one setup */
import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { digestOf } from '../../lib/digest.js';
import { RbmResumeError } from '../../lib/errors.js';
import { execInIdMap } from '../../lib/id-map.js';
import { extractLayers } from '../../lib/layer/extract.js';
import { applyLayer, nameHardLinks, type LayeredTree } from '../../lib/layer/merge.js';
import type { LayerMember } from '../../lib/layer/whiteout.js';
import { removeTree } from '../../lib/rootfs/move-tree.js';
import { layerAnnotations, putListing } from '../../lib/snapshot/base.js';
import { commitImage } from '../../lib/snapshot/image.js';
import { restoreSnapshot } from '../../lib/snapshot/restore.js';
import { MEDIA_TYPE } from '../../lib/store/oci.js';
import { storePaths } from '../../lib/store/paths.js';
import { withStaging } from '../../lib/store/staging.js';
import { HASH, recordOf } from '../snapshot/small-snapshots.js';
import { archive, member, pax } from './tar-bytes.js';

/** A layer of an attacker: an archive, and what its listing says of it. */
interface HostileLayer {
  readonly bytes: Buffer;
  readonly members: readonly LayerMember[];
  readonly diffSize?: number;
  /** In place of the listing of {@link members}. */
  readonly listing?: Buffer;
}

const SECRET = 'the content of a file outside';

const entry = (path: string, meta: string, more: Partial<LayerMember> = {}): LayerMember => ({
  path,
  type: meta[0] as LayerMember['type'],
  meta,
  target: '',
  xattrs: '',
  ...more,
});
const ROOT = entry('', 'd 755 0 0 0 0.000000000');
const file = (path: string, size = 0) => entry(path, `f 644 0 0 ${size} 0.000000000`);
const directory = (path: string) => entry(path, 'd 755 0 0 0 0.000000000');
const symlink = (path: string, target: string) => entry(path, 'l 777 0 0 0 0.000000000', { target });
const hardLink = (path: string, target: string) =>
  entry(path, 'f 777 0 0 0 0.000000000', { type: 'h', target });

const root = member({ name: './', type: '5', mode: '0000755\0' });
/** A layer whose listing says, beside the root, what the attacker would like. */
const layer = (parts: readonly Buffer[], members: readonly LayerMember[], more = {}): HostileLayer => ({
  bytes: archive(root, ...parts),
  members: [ROOT, ...members],
  ...more,
});
const link = (name: string, linkName: string, type = '2') =>
  member({ name, linkName, type, mode: '0000777\0' });
const sparse = (name: string, size: number) =>
  Buffer.concat([
    pax([
      ['GNU.sparse.major', '1'],
      ['GNU.sparse.minor', '0'],
      ['GNU.sparse.name', name],
      ['GNU.sparse.realsize', String(size)],
    ]),
    member({ name }, Buffer.from(`1\n${size}\n0\n`.padEnd(512, '\0'))),
  ]);

describe('the extraction of a hostile archive', { timeout: 240_000 }, () => {
  let work: string;
  let before: string;
  const temporary = process.env.TMPDIR;

  beforeEach(() => {
    work = mkdtempSync(join(tmpdir(), 'rbm-resume-extract-'));
    for (const name of ['outside', 'scratch', 'place']) mkdirSync(join(work, name));
    writeFileSync(join(work, 'outside', 'sentinel'), SECRET);
    process.env.TMPDIR = join(work, 'scratch');
    before = lookOutside();
  });
  afterEach(async () => {
    if (temporary === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = temporary;
    await removeTree(work);
  });

  /** All that an attack must leave as it is. */
  function lookOutside(): string {
    const { ino, nlink, mode, size, mtimeMs, ctimeMs } = statSync(sentinel());
    const names = [work, join(work, 'outside'), '/', '/usr'].map((dir) => readdirSync(dir));
    const content = readFileSync(sentinel(), 'utf8');
    const mounts = readFileSync('/proc/mounts', 'utf8')
      .split('\n')
      .filter((line) => line.includes(work) || line.startsWith('rbm-resume'));
    return JSON.stringify([ino, nlink, mode, size, mtimeMs, ctimeMs, names, content, mounts]);
  }
  const sentinel = () => join(work, 'outside', 'sentinel');

  /** Puts hostile layers into a store as the snapshot of a build. */
  async function forgeSnapshot(layers: readonly HostileLayer[]): Promise<string> {
    const store = join(work, 'place', 'store');
    await withStaging(storePaths(store), async (staging) => {
      const prepared = [];
      for (const [number, { bytes, members, diffSize = bytes.length, listing: forged }] of layers.entries()) {
        const blob = await staging.put(bytes);
        const listing =
          forged === undefined
            ? await putListing(staging, { name: `layer-${number}`, members })
            : await staging.put(forged);
        prepared.push({
          descriptor: {
            ...{ mediaType: MEDIA_TYPE.layerTar, digest: blob.digest, size: blob.size },
            annotations: layerAnnotations({ diffSize, listing }),
          },
          diffId: digestOf(bytes),
          blobs: [blob, listing],
          members: () => [members],
        });
      }
      await commitImage(storePaths(store), { staging, record: recordOf(HASH), layers: prepared });
    });
    return store;
  }

  /** Restores hostile layers, which must fail with such a code and touch nothing. */
  async function refuseRestore(layers: readonly HostileLayer[], code: RegExp): Promise<void> {
    const store = await forgeSnapshot(layers);
    const here = readdirSync(join(work, 'place'));
    const dir = join(work, 'place', 'restored');
    const error = await restoreSnapshot(store, HASH, { dir }).then(
      () => assert.fail('it was restored'),
      (reason: unknown) => reason,
    );
    assert.ok(error instanceof RbmResumeError, String(error));
    assert.match(error.code, code, error.message);
    assert.ok(!existsSync(dir), 'the name was taken');
    assert.deepEqual(readdirSync(join(work, 'place')), here, 'something was left behind');
    assert.deepEqual(readdirSync(join(work, 'scratch')), [], 'something was left in the temporary folder');
    assert.equal(lookOutside(), before);
  }

  /** Extracts them whatever comes of it: nothing in the directory may be, or hold, what lies outside. */
  async function extractAnyway(layers: readonly HostileLayer[]): Promise<void> {
    const dir = join(work, 'extracted');
    mkdirSync(dir);
    const tree: LayeredTree = new Map();
    const opened = [];
    try {
      for (const [number, { bytes, members, diffSize = bytes.length }] of layers.entries()) {
        await applyLayer(tree, [members], number);
        const path = join(work, 'scratch', `layer-${number}`);
        writeFileSync(path, bytes);
        const handle = await open(path, 'r');
        opened.push({ handle, compression: 'none' as const, diffSize, members: () => [members] });
      }
      nameHardLinks(tree);
      const scratch = join(work, 'scratch');
      await extractLayers(opened, dir, { tree, scratch }).catch((error: unknown) => {
        assert.ok(error instanceof RbmResumeError, String(error));
      });
    } finally {
      await Promise.all(opened.map(({ handle }) => handle.close()));
    }
    const found = await execInIdMap([
      'find',
      dir,
      '-samefile',
      sentinel(),
      '-o',
      '-type',
      'b',
      '-o',
      '-type',
      'c',
    ]);
    assert.equal(found.stdout.toString(), '', 'it reaches outside');
    const held = await execInIdMap(['grep', '-rFl', SECRET, dir], { okStatuses: [1] });
    assert.equal(held.stdout.toString(), '', 'it has read what lies outside');
    await removeTree(dir);
    for (const number of layers.keys()) await removeTree(join(work, 'scratch', `layer-${number}`));
    assert.equal(lookOutside(), before);
    assert.deepEqual(readdirSync(join(work, 'scratch')), []);
  }

  const up = '../'.repeat(30);
  const ANY = /^(COMMAND_FAILED|INEXACT_RESTORE|BAD_LAYER|DAMAGED_BLOB)$/;
  const through = (target: string, name: string, seenAs: readonly LayerMember[]): HostileLayer[] => [
    layer([link('./way', target)], [symlink('way', target)]),
    layer([member({ name: `./way/${name}` }, 'written')], seenAs),
  ];

  const attacks: Record<string, (outside: string) => readonly HostileLayer[]> = {
    'a file through a symbolic link to / of a lower layer, listed as one below a directory': (outside) =>
      through('/', `${outside.slice(1)}/sentinel`, [directory('way'), file('elsewhere', 7)]),
    'a file through a symbolic link to / of a lower layer, not listed': (outside) =>
      through('/', `${outside.slice(1)}/sentinel`, []),
    'a file through a symbolic link to ../ of a lower layer': (outside) =>
      through(up, `${outside.slice(1)}/sentinel`, []),
    'a new file through a symbolic link to the directory outside': (outside) => through(outside, 'new', []),
    'a new file through a symbolic link to /usr': () => through('/usr', 'rbm-resume-was-here', []),
    'a file through a symbolic link of the same layer': (outside) => [
      layer(
        [link('./way', outside), member({ name: './way/sentinel' }, 'written')],
        [directory('way'), file('way/sentinel', 7)],
      ),
    ],
    'a hard link to an absolute path': (outside) => [
      layer([link('./mine', `${outside}/sentinel`, '1')], [file('mine', SECRET.length)]),
    ],
    'a hard link that climbs out with ..': (outside) => [
      layer([link('./mine', `${up}${outside.slice(1)}/sentinel`, '1')], [file('mine', SECRET.length)]),
    ],
    'a hard link through a symbolic link of a lower layer': (outside) => [
      layer([link('./way', '/')], [symlink('way', '/')]),
      layer([link('./mine', `./way${outside}/sentinel`, '1')], [file('mine', SECRET.length)]),
    ],
    'a hard link to a program of the system': () => [
      layer([link('./mine', '/usr/bin/env', '1')], [file('mine', 0)]),
    ],
    'a member with an absolute name': (outside) => [
      layer([member({ name: `${outside}/sentinel` }, 'written')], [file('sentinel', 7)]),
    ],
    'a member with an absolute name, listed where it would come to lie': (outside) => [
      layer(
        [member({ name: `${outside}/sentinel` }, 'written')],
        [
          ...outside
            .slice(1)
            .split('/')
            .map((_, at, names) => directory(names.slice(0, at + 1).join('/'))),
          file(`${outside.slice(1)}/sentinel`, 7),
        ],
      ),
    ],
    'a member whose name climbs out with ..': (outside) => [
      layer([member({ name: `./${up}${outside.slice(1)}/sentinel` }, 'written')], [file('sentinel', 7)]),
    ],
    'a symbolic link that replaces the root': (outside) => [
      { bytes: archive(link('./', outside), member({ name: './sentinel' }, 'written')), members: [ROOT] },
    ],
    'a block device': () => [
      layer([member({ name: './disk', type: '4', devMajor: '0000010\0' })], [file('disk')]),
    ],
    'a character device': () => [
      layer(
        [member({ name: './null', type: '3', devMajor: '0000001\0', devMinor: '0000003\0' })],
        [entry('null', 'c 644 0 0 0 0.000000000', { target: '1,3' })],
      ),
    ],
    'lists of names that are written anew through a symbolic link, for tar to run a program': () => [
      layer([link('./way', '/lists')], [symlink('way', '/lists')]),
      layer(
        [
          member(
            { name: './way/2.options' },
            '--checkpoint=1\0--checkpoint-action=exec=echo ran > /rootfs/ran\0',
          ),
        ],
        [],
      ),
      layer([member({ name: './last' }, 'x'.repeat(20_000))], [file('last', 20_000)]),
    ],
  };

  for (const [what, make] of Object.entries(attacks)) {
    it(`touches nothing outside: ${what}`, async () => {
      const layers = make(join(work, 'outside'));
      await extractAnyway(layers);
      await refuseRestore(layers, ANY);
    });
  }

  it('runs nothing that a layer brings', async () => {
    const layers =
      attacks['lists of names that are written anew through a symbolic link, for tar to run a program']!('');
    const store = await forgeSnapshot(layers);
    const error = await restoreSnapshot(store, HASH, { dir: join(work, 'place', 'restored') }).catch(
      (reason: unknown) => reason,
    );
    assert.ok(error instanceof RbmResumeError, String(error));
    assert.equal(error.code, 'BAD_LAYER', error.message);
  });

  it('stops at the bytes that the listing has', async () => {
    const bytes = archive(root, member({ name: './more' }, 'x'.repeat(1_000_000)));
    for (const diffSize of [512, 1024, 500_000]) {
      const layers = [{ bytes, diffSize, members: [ROOT, file('more', 1_000_000)] }];
      await extractAnyway(layers);
      await refuseRestore(layers, ANY);
      await removeTree(join(work, 'place', 'store'));
    }
    const hidden = archive(root, member({ name: './hidden' }, 'x'.repeat(1_000_000)));
    await refuseRestore([{ bytes: hidden, diffSize: 512, members: [ROOT] }], ANY);
  });

  it('stops at a file that is larger than any in the listing, and at a sparse one of 8 TiB', async () => {
    const much = member({ name: './much' }, Buffer.alloc(8 << 20, 'x'));
    const large = [layer([much], [file('much', 1000)])];
    const huge = [layer([sparse('./huge', 2 ** 43)], [file('huge', 1000)])];
    for (const layers of [large, huge]) {
      await extractAnyway(layers);
      await refuseRestore(layers, /^BAD_LAYER$/);
      await removeTree(join(work, 'place', 'store'));
    }
  });

  const lies: Record<string, readonly [HostileLayer, RegExp?]> = {
    'a member more than it lists': [layer([member({ name: './a' }), member({ name: './b' })], [file('a')])],
    'a member less than it lists': [layer([member({ name: './a' })], [file('a'), file('b')])],
    'a member under two names of one listed twice': [
      layer([member({ name: './a' }), link('./b', './a', '1')], [file('a'), file('b')]),
    ],
    'another owner than it lists': [layer([member({ name: './a', uid: '0000007\0' })], [file('a')])],
    'a set-user-ID bit that it does not list': [
      layer([member({ name: './a', mode: '0004755\0' })], [file('a')]),
    ],
    'a symbolic link with another target': [layer([link('./a', 'b')], [symlink('a', 'c')])],
    'an attribute that it does not list': [
      layer([pax([['SCHILY.xattr.user.a', 'x']]), member({ name: './a' })], [file('a')]),
    ],
    'a file below one that is no directory': [
      layer([member({ name: './a' })], [file('a'), file('a/b')]),
      /^BAD_LAYER$/,
    ],
    'a hard link to nothing': [layer([member({ name: './a' })], [hardLink('a', 'b')]), /^BAD_LAYER$/],
    'whiteouts that it does not list': [layer([member({ name: './.wh.a' })], [])],
  };
  for (const [what, [lying, code = /^INEXACT_RESTORE$/]] of Object.entries(lies)) {
    it(`gives no tree when the listing lies: ${what}`, () => refuseRestore([lying], code));
  }

  it('gives no tree when the listing is no listing, or one that climbs out', async () => {
    const own = layer([member({ name: './a' })], [file('a')]);
    for (const listing of [Buffer.from('garbage'), Buffer.alloc(0)]) {
      await refuseRestore([{ ...own, listing }], /^(BAD_LAYER|INEXACT_RESTORE)$/);
      await removeTree(join(work, 'place', 'store'));
    }
    await refuseRestore([layer([member({ name: './a' })], [file('../a')])], /^BAD_LAYER$/);
  });

  it('gives the tree when the listing tells the truth', async () => {
    const bytes = [
      member({ name: './a' }, 'x'),
      link('./b', './a', '1'),
      link('./out', '/'),
      sparse('./s', 2 ** 30),
    ];
    const members = [file('a', 1), hardLink('b', 'a'), symlink('out', '/'), file('s', 2 ** 30)];
    const store = await forgeSnapshot([layer(bytes, members)]);
    const dir = join(work, 'place', 'restored');
    await restoreSnapshot(store, HASH, { dir });
    assert.equal(readFileSync(join(dir, 'b'), 'utf8'), 'x');
    assert.deepEqual(readdirSync(dir).sort(), ['a', 'b', 'out', 's']);
    assert.deepEqual(readdirSync(join(work, 'scratch')), []);
  });
});
