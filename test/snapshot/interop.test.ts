import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { assertEqualTrees } from '../../fixtures/trees/compare-trees.js';
import { describeTree } from '../../fixtures/trees/describe-tree.js';
import { runOperations } from '../../fixtures/trees/grow-tree.js';
import { parseProjectHash, sha256Hex } from '../../lib/digest.js';
import { execInIdMap } from '../../lib/id-map.js';
import { removeTree } from '../../lib/rootfs/move-tree.js';
import { restoreSnapshot } from '../../lib/snapshot/restore.js';
import type { SavedSnapshot } from '../../lib/snapshot/save.js';
import { startSmallBuild, type SmallBuild } from './small-build.js';

const hash = parseProjectHash(sha256Hex('interop'));

/** Runs a program of another project on the store; what it prints when it fails is the message. */
function run(argv: readonly [string, ...string[]], env: Record<string, string> = {}): string {
  const [program, ...args] = argv;
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    encoding: 'utf8',
    env: { ...process.env, ...env },
  });
  assert.equal(status, 0, `${argv.join(' ')}: ${error?.message ?? ''}\n${stderr}`);
  return stdout;
}

for (const compression of ['zstd', 'gzip'] as const) {
  describe(`a snapshot with ${compression} layers`, () => {
    let work: string;
    let store: string;
    let build: SmallBuild;
    let saved: SavedSnapshot;
    before(async () => {
      // buildah takes no path with capital letters, which mkdtemp may give.
      work = join(tmpdir(), `rbm-resume-interop-${process.pid}-${compression}`);
      await mkdir(work);
      store = join(work, 'store');
      build = await startSmallBuild(work);
      await runOperations(build.container, [
        ['dir', 'made-dir'],
        ['file', 'made-dir/a file', 5000, 1],
        ['link', 'made-dir/another name', 'made-dir/a file'],
        ['symlink', 'made-dir/pointer', '../usr/tool'],
        ['own', 'made-dir/pointer', 1, 2],
        ['mode', 'usr', 0o2750],
        ['remove', 'usr/tool'],
      ]);
      saved = await build.save(store, { hash, compression });
    });
    after(() => removeTree(work));

    it('is copied by skopeo with all its bytes, and can be restored from the copy', async () => {
      const copy = join(work, 'copy');
      run(['skopeo', 'copy', '-q', `oci:${store}:${hash}`, `oci:${copy}:${hash}`]);
      for (const { descriptor } of saved.snapshot.layers) {
        const hex = descriptor.digest.slice('sha256:'.length);
        assert.equal(sha256Hex(await readFile(join(copy, 'blobs/sha256', hex))), hex);
      }
      // skopeo copies the image alone: not the annotations of the index, nor the listings of the layers.
      const [copied, original] = [join(work, 'of-copy'), join(work, 'of-original')];
      await restoreSnapshot(copy, hash, { dir: copied });
      await restoreSnapshot(store, hash, { dir: original });
      assertEqualTrees(await describeTree(copied), await describeTree(original));
    });

    it('tells skopeo where it comes from', () => {
      const shown = JSON.parse(run(['skopeo', 'inspect', `oci:${store}:${hash}`])) as {
        Architecture: string;
        Os: string;
        Layers: string[];
        Labels: Record<string, string>;
      };
      assert.equal(shown.Os, 'linux');
      assert.ok(shown.Architecture.length > 0);
      assert.deepEqual(
        shown.Layers,
        saved.snapshot.layers.map(({ descriptor }) => descriptor.digest),
      );
      assert.match(String(shown.Labels['org.rbm-resume.record']), /"project":"small"/);
      const raw = JSON.parse(run(['skopeo', 'inspect', '--raw', `oci:${store}:${hash}`])) as {
        annotations: Record<string, string>;
      };
      assert.equal(raw.annotations['org.rbm-resume.hash'], hash);
      assert.equal(raw.annotations['org.rbm-resume.generation'], '1');
    });

    if (compression === 'gzip') {
      it('is unpacked by umoci to the same tree', async () => {
        await execInIdMap(['umoci', 'unpack', '--image', `${store}:${hash}`, join(work, 'bundle')], {
          allowStderr: true,
        });
        await restoreSnapshot(store, hash, { dir: join(work, 'restored') });
        const theirs = await describeTree(join(work, 'bundle', 'rootfs'));
        assertEqualTrees(theirs, await describeTree(join(work, 'restored')));
      });
    } else {
      it(
        'is opened by buildah',
        { skip: process.getuid?.() === 0 ? false : 'buildah needs root here' },
        async () => {
          const storage = ['--root', join(work, 'storage'), '--runroot', join(work, 'runroot')];
          await mkdir(join(work, 'storage'));
          const pulled = run([
            'buildah',
            ...storage,
            '--storage-driver',
            'vfs',
            'pull',
            '-q',
            `oci:${store}:${hash}`,
          ]);
          assert.match(pulled, /^[0-9a-f]{64}$/m);
        },
      );
    }
  });
}
