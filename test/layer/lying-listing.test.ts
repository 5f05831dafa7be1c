import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { restoreSnapshot } from '../../lib/snapshot/restore.js';
import { HASH } from '../snapshot/small-snapshots.js';
import {
  file,
  hardLink,
  layer,
  link,
  ROOT,
  root,
  sparse,
  symlink,
  type HostileLayer,
} from './hostile-layers.js';
import { ANY_REFUSAL, openProvingGround, type ProvingGround } from './proving-ground.js';
import { archive, member, pax } from './tar-bytes.js';

describe('the extraction of an archive whose listing lies', { timeout: 240_000 }, () => {
  let ground: ProvingGround;
  beforeEach(() => {
    ground = openProvingGround();
  });
  afterEach(() => ground.end());

  it('stops at the bytes that the listing has', async () => {
    const bytes = archive(root, member({ name: './more' }, 'x'.repeat(1_000_000)));
    for (const diffSize of [512, 1024, 500_000]) {
      const layers = [{ bytes, diffSize, members: [ROOT, file('more', 1_000_000)] }];
      await ground.extractAnyway(layers);
      await ground.refuseRestore(layers, ANY_REFUSAL);
      await ground.removeStore();
    }
    const hidden = archive(root, member({ name: './hidden' }, 'x'.repeat(1_000_000)));
    await ground.refuseRestore([{ bytes: hidden, diffSize: 512, members: [ROOT] }], ANY_REFUSAL);
  });

  it('stops at a file that is larger than any in the listing, and at a sparse one of 8 TiB', async () => {
    const much = member({ name: './much' }, Buffer.alloc(8 << 20, 'x'));
    const large = [layer([much], [file('much', 1000)])];
    const huge = [layer([sparse('./huge', 2 ** 43)], [file('huge', 1000)])];
    for (const layers of [large, huge]) {
      await ground.extractAnyway(layers);
      await ground.refuseRestore(layers, /^BAD_LAYER$/);
      await ground.removeStore();
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
    it(`gives no tree when the listing lies: ${what}`, () => ground.refuseRestore([lying], code));
  }

  it('gives no tree when the listing is no listing, or one that climbs out', async () => {
    const own = layer([member({ name: './a' })], [file('a')]);
    for (const listing of [Buffer.from('garbage'), Buffer.alloc(0)]) {
      await ground.refuseRestore([{ ...own, listing }], /^(BAD_LAYER|INEXACT_RESTORE)$/);
      await ground.removeStore();
    }
    await ground.refuseRestore([layer([member({ name: './a' })], [file('../a')])], /^BAD_LAYER$/);
  });

  it('gives the tree when the listing tells the truth', async () => {
    const bytes = [
      member({ name: './a' }, 'x'),
      link('./b', './a', '1'),
      link('./out', '/'),
      sparse('./s', 2 ** 30),
    ];
    const members = [file('a', 1), hardLink('b', 'a'), symlink('out', '/'), file('s', 2 ** 30)];
    const store = await ground.forgeSnapshot([layer(bytes, members)]);
    const dir = ground.restored;
    await restoreSnapshot(store, HASH, { dir });
    assert.equal(readFileSync(join(dir, 'b'), 'utf8'), 'x');
    assert.deepEqual(readdirSync(dir).sort(), ['a', 'b', 'out', 's']);
    assert.deepEqual(readdirSync(ground.scratch), []);
  });
});
