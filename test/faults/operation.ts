/**
 * What the tests of faults run: `OPERATION ARGUMENT…`, once the modules are loaded and a line has come on standard input. Says
 * `ready TID` first, the thread that makes the file system calls of `node:fs/promises`, and `done` when the operation is
 * acknowledged. Errors end it as they end the command.
 */
import { readSync } from 'node:fs';
import { readlink } from 'node:fs/promises';
import { reportError } from '../../lib/cli/output.js';
import { parseDigest, parseProjectHash } from '../../lib/digest.js';
import { dropSnapshots } from '../../lib/snapshot/drop.js';
import { exportSnapshots } from '../../lib/snapshot/export.js';
import { importSnapshots } from '../../lib/snapshot/import.js';
import { packKept } from '../../lib/snapshot/pack.js';
import { restoreSnapshot } from '../../lib/snapshot/restore.js';
import { saveSnapshot } from '../../lib/snapshot/save.js';
import { commit } from '../../lib/store/commit.js';
import { MEDIA_TYPE, REF_NAME } from '../../lib/store/oci.js';
import { storePaths } from '../../lib/store/paths.js';
import { parseSnapshotRecord } from '../../lib/store/record.js';
import { withStaging } from '../../lib/store/staging.js';

const OPERATIONS: Readonly<Record<string, (store: string, ...args: string[]) => Promise<unknown>>> = {
  commit: commitImage,
  save: (store, rootfs, base, record) =>
    saveSnapshot(store, {
      rootfs: String(rootfs),
      base: String(base),
      baseline: null,
      record: parseSnapshotRecord(String(record)) ?? fail(),
    }),
  pack: (store, hash) => packKept(store, parseProjectHash(String(hash))),
  export: (store, dir) => exportSnapshots(store, String(dir), { maxPartSize: 20_000 }),
  import: (store, dir) => importSnapshots(store, String(dir)),
  restore: (store, hash, dir) => restoreSnapshot(store, String(hash), { dir: String(dir) }),
  gc: (store, hash) => dropSnapshots(storePaths(store), parseProjectHash(String(hash))),
};

function fail(): never {
  throw new Error('this is no record');
}

/** A small image under a name of its own. */
async function commitImage(store: string, name = ''): Promise<void> {
  const paths = storePaths(store);
  await withStaging(paths, async (staging) => {
    const layer = await staging.put(`the layer of ${name}`);
    const config = await staging.put(
      JSON.stringify({
        architecture: 'amd64',
        os: 'linux',
        rootfs: { type: 'layers', diff_ids: [parseDigest(layer.digest)] },
      }),
    );
    const describe = ({ digest, size }: typeof layer, mediaType: string) => ({ mediaType, digest, size });
    const manifest = await staging.put(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: MEDIA_TYPE.manifest,
        config: describe(config, MEDIA_TYPE.config),
        layers: [describe(layer, MEDIA_TYPE.layerTar)],
      }),
    );
    const entry = { ...describe(manifest, MEDIA_TYPE.manifest), annotations: { [REF_NAME]: name } };
    await commit(paths, {
      blobs: [layer, config, manifest],
      updateIndex: (manifests) => [...manifests, entry],
    });
  });
}

const [operation = '', store = '', ...args] = process.argv.slice(2);
const [, tid = ''] = /\/task\/(\d+)$/.exec(await readlink('/proc/thread-self')) ?? [];
process.stdout.write(`ready ${tid}\n`);
readSync(0, Buffer.alloc(1));
try {
  await (OPERATIONS[operation] ?? fail)(store, ...args);
  process.stdout.write('done\n');
} catch (error) {
  reportError(error, { json: true });
}
