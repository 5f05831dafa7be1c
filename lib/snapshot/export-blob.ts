import { createHash, type Hash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { hexOf } from '../digest.js';
import { RbmResumeError } from '../errors.js';
import type { BlobName, VerifiedBlob } from '../store/blobs.js';
import { partFileName, partSizes, type ExportedBlob, type ExportedPart } from './export-format.js';

const CHUNK_BYTES = 2 * 1024 * 1024;

/** The parts that a blob will have. The sha256 of one that is not the whole is known when it is written. */
export const planParts = ({ digest, size }: BlobName, maxPartSize: number): ExportedBlob => ({
  digest,
  size,
  parts: partSizes(size, maxPartSize).map((partSize, number, { length: count }) => ({
    file: partFileName(digest, { number, count }),
    size: partSize,
    sha256: hexOf(digest),
  })),
});

/**
 * Writes the parts of an open blob, each on the disk when the promise is fulfilled, and checks its digest meanwhile.
 * @throws RbmResumeError `DAMAGED_BLOB`
 */
export async function writeBlob(
  blob: VerifiedBlob,
  plan: ExportedBlob,
  to: { readonly partsDir: string; readonly onBytes: (count: number) => void },
): Promise<ExportedBlob> {
  const whole = createHash('sha256');
  const parts: ExportedPart[] = [];
  let offset = 0;
  for (const part of plan.parts) {
    const only = plan.parts.length === 1;
    const own = createHash('sha256');
    await writePart(blob, join(to.partsDir, part.file), {
      ...to,
      offset,
      size: part.size,
      hashes: only ? [whole] : [whole, own],
    });
    parts.push({ ...part, sha256: only ? part.sha256 : own.digest('hex') });
    offset += part.size;
  }
  const found = whole.digest('hex');
  if (found !== hexOf(blob.digest)) throw damaged(blob, `sha256:${found}`);
  return { ...plan, parts };
}

async function writePart(
  blob: VerifiedBlob,
  file: string,
  part: {
    readonly offset: number;
    readonly size: number;
    readonly hashes: readonly Hash[];
    readonly onBytes: (count: number) => void;
  },
): Promise<void> {
  const output = await open(file, 'wx');
  try {
    const buffer = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, part.size));
    for (let done = 0; done < part.size;) {
      const length = Math.min(buffer.length, part.size - done);
      const { bytesRead } = await blob.handle.read(buffer, 0, length, part.offset + done);
      if (bytesRead === 0) throw damaged(blob, `${part.offset + done} bytes`);
      const chunk = buffer.subarray(0, bytesRead);
      const writing = output.writeFile(chunk);
      part.hashes.forEach((hash) => hash.update(chunk));
      await writing;
      done += bytesRead;
      part.onBytes(bytesRead);
    }
    await output.sync();
  } finally {
    await output.close();
  }
}

const damaged = ({ digest, path, size }: VerifiedBlob, found: string): RbmResumeError =>
  new RbmResumeError(
    'DAMAGED_BLOB',
    `the blob ${path} is damaged: expected ${digest} (${size} bytes), found ${found}`,
    {
      hint: 'Nothing was exported. `rbm-resume remove` forgets what refers to it.',
      fields: { digest, path, expected: digest, found },
    },
  );
