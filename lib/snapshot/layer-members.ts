import { RbmResumeError } from '../errors.js';
import { readLayer } from '../layer/read.js';
import { toLayerMember, type LayerMember } from '../layer/whiteout.js';
import { openBlob } from '../store/blobs.js';
import type { StorePaths } from '../store/paths.js';
import type { SnapshotLayer } from './snapshot.js';

/**
 * What is in a layer, read from the layer itself after its digest and diffId were checked. Takes the time of unpacking it.
 * @throws RbmResumeError `MISSING_BLOB`, `DAMAGED_BLOB`, `BAD_LAYER`
 */
export async function readLayerMembersOf(paths: StorePaths, layer: SnapshotLayer): Promise<LayerMember[]> {
  const blob = await openBlob(paths, layer.descriptor);
  const members: LayerMember[] = [];
  try {
    await blob.verify();
    const { diffId, diffSize } = await readLayer(blob.handle, layer.compression, {
      onMember: (member) => void members.push(toLayerMember(member)),
    });
    if (diffId !== layer.diffId || (layer.diffSize !== null && diffSize !== layer.diffSize)) {
      throw new RbmResumeError('DAMAGED_BLOB', `${blob.path} unpacks to ${diffId}, not to ${layer.diffId}`, {
        fields: { digest: layer.descriptor.digest, path: blob.path, expected: layer.diffId, found: diffId },
      });
    }
  } finally {
    await blob.close();
  }
  return members;
}
