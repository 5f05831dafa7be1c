import { open, type FileHandle } from 'node:fs/promises';

/** Where two files begin to differ, and what stands there. */
export interface FirstDifference {
  /** In bytes. */
  readonly offset: number;
  /** Up to 64 bytes around it of each file; what can't be printed is a dot. */
  readonly a: string;
  readonly b: string;
}

const CHUNK_BYTES = 1 << 20;
const CONTEXT_BYTES = 64;
/** So many bytes of the context stand in front of the difference. */
const BEFORE_BYTES = 24;

/** The first byte at which two files differ, `null` when they are equal. Where one ends, its text does too. */
export async function findFirstDifference(a: string, b: string): Promise<FirstDifference | null> {
  const handles = [await open(a), await open(b)] as const;
  try {
    const offset = await findOffset(handles[0], handles[1]);
    if (offset === null) return null;
    const start = Math.max(0, offset - BEFORE_BYTES);
    const [textA, textB] = [await readContext(handles[0], start), await readContext(handles[1], start)];
    return { offset, a: textA, b: textB };
  } finally {
    await Promise.all(handles.map((handle) => handle.close()));
  }
}

async function findOffset(a: FileHandle, b: FileHandle): Promise<number | null> {
  for (let at = 0; ; at += CHUNK_BYTES) {
    const [chunkA, chunkB] = [await readAt(a, at, CHUNK_BYTES), await readAt(b, at, CHUNK_BYTES)];
    if (!chunkA.equals(chunkB)) {
      const length = Math.min(chunkA.length, chunkB.length);
      const index = chunkA.subarray(0, length).findIndex((byte, place) => byte !== chunkB[place]);
      return at + (index === -1 ? length : index);
    }
    if (chunkA.length < CHUNK_BYTES) return null;
  }
}

async function readContext(handle: FileHandle, at: number): Promise<string> {
  const bytes = await readAt(handle, at, CONTEXT_BYTES);
  return bytes.toString('latin1').replace(/[^\x20-\x7e]/g, '.');
}

/** So many bytes, fewer only at the end of the file. */
async function readAt(handle: FileHandle, at: number, bytes: number): Promise<Buffer> {
  const buffer = Buffer.alloc(bytes);
  let length = 0;
  while (length < bytes) {
    const { bytesRead } = await handle.read(buffer, length, bytes - length, at + length);
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  return buffer.subarray(0, length);
}
