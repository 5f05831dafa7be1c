import { open } from 'node:fs/promises';
import type { Digest } from '../digest.js';
import type { BlobSource } from './assemble.js';
import type { ExportedBlob } from './export-format.js';
import { damagedExport, type OpenExport } from './read-export.js';

/** The blobs of an export, each put together from its parts; every part is held against its sha256. */
export function blobsOfExport(source: OpenExport): BlobSource {
  const exported = new Map<Digest, ExportedBlob>(source.manifest.blobs.map((blob) => [blob.digest, blob]));
  return {
    isOnDisk: false,
    sizeOf: (digest) => exported.get(digest)?.size,
    write: async ({ digest }, to) => {
      const blob = exported.get(digest);
      if (blob === undefined) throw damagedExport(digest, 'it is not there');
      await joinParts(source, blob, to);
    },
    damaged: damagedExport,
  };
}

async function joinParts(
  source: OpenExport,
  blob: ExportedBlob,
  to: { readonly file: string; readonly onBytes: (count: number) => void },
): Promise<void> {
  const output = await open(to.file, 'wx');
  try {
    for (const part of blob.parts) {
      await source.readPart(part, async (chunk) => {
        await output.writeFile(chunk);
        to.onBytes(chunk.length);
      });
    }
  } finally {
    await output.close();
  }
}
