import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { RbmResumeError } from '../../lib/errors.js';
import type { LayerMember } from '../../lib/layer/whiteout.js';
import { restoreSnapshot } from '../../lib/snapshot/restore.js';
import { HASH } from '../snapshot/small-snapshots.js';
import { directory, entry, file, layer, link, ROOT, symlink, type HostileLayer } from './hostile-layers.js';
import { ANY_REFUSAL, openProvingGround, SECRET, type ProvingGround } from './proving-ground.js';
import { archive, member } from './tar-bytes.js';

describe('the extraction of a hostile archive', { timeout: 240_000 }, () => {
  let ground: ProvingGround;
  beforeEach(() => {
    ground = openProvingGround();
  });
  afterEach(() => ground.end());

  const up = '../'.repeat(30);
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
      const layers = make(ground.outside);
      await ground.extractAnyway(layers);
      await ground.refuseRestore(layers, ANY_REFUSAL);
    });
  }

  it('runs nothing that a layer brings', async () => {
    const layers =
      attacks['lists of names that are written anew through a symbolic link, for tar to run a program']!('');
    const store = await ground.forgeSnapshot(layers);
    const error = await restoreSnapshot(store, HASH, { dir: ground.restored }).catch(
      (reason: unknown) => reason,
    );
    assert.ok(error instanceof RbmResumeError, String(error));
    assert.equal(error.code, 'BAD_LAYER', error.message);
  });
});
