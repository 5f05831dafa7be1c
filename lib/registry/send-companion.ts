import type { Snapshot } from '../snapshot/snapshot.js';
import type { BlobName } from '../store/blobs.js';
import { isDamagedRemote } from './failures.js';
import { companionOf, lacking, readCompanion, writeCompanion } from './companion.js';
import type { StagedLayout } from './layout.js';
import { companionTagOf } from './remote.js';
import type { Registry } from './skopeo.js';

/**
 * Leaves the attestation and the listings of a snapshot beside it. What others have left there stays: one who has not signed does not take
 * a signature away.
 */
export async function sendCompanion(
  registry: Registry,
  snapshot: Snapshot,
  layout: StagedLayout,
): Promise<void> {
  const tag = companionTagOf(snapshot.digest);
  const all = companionOf(snapshot);
  const isThere = ({ digest, size }: BlobName) => layout.sizeOf(digest) === size;
  const own = { attestations: all.attestations.filter(isThere), listings: all.listings.filter(isThere) };
  const found = await registry.readManifest(`:${tag}`);
  const theirs = (found === null ? null : readCompanion(found.bytes)) ?? { attestations: [], listings: [] };
  const isMissing =
    found === null ||
    lacking(own.attestations, theirs.attestations).length > 0 ||
    lacking(own.listings, theirs.listings).length > 0;
  if (!isMissing) return;
  const more = {
    attestations: lacking(theirs.attestations, own.attestations),
    listings: lacking(theirs.listings, own.listings),
  };
  if (found !== null && more.attestations.length + more.listings.length > 0) {
    // Their blobs are needed to name them again; what of them is damaged is lost anyway.
    await registry.fetch(`@${found.digest}`, { cwd: layout.cwd, name: 'theirs' }).catch((error: unknown) => {
      if (!isDamagedRemote(error)) throw error;
    });
  }
  const manifest = await writeCompanion(
    {
      attestations: [...own.attestations, ...more.attestations.filter(isThere)],
      listings: [...own.listings, ...more.listings.filter(isThere)],
    },
    (data) => layout.put(data),
  );
  await layout.name({ companion: manifest });
  await registry.send({ cwd: layout.cwd, name: 'companion' }, tag);
}
