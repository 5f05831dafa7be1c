import { sha256Hex } from '../digest.js';
import { writeFileAtomically, writeFileDurably } from './atomic-write.js';

/** How a sealed file begins: by this it is known also when its end is damaged. */
const HEAD = '{\n  "seal": "sha256"';
const TAIL = /^,\n {2}"sha256": "([0-9a-f]{64})"\n\}\n$/;
const tailOf = (sum: string): string => `,\n  "sha256": "${sum}"\n}\n`;
const TAIL_BYTES = tailOf('0'.repeat(64)).length;

/**
 * A JSON file of our own with a checksum of every byte before it as its last property, so that no changed letter, digit or space
 * is taken for what was written. It tells accidents: whoever may write the file can seal it anew.
 *
 * SHA-256 and not the faster XXH64, which is WebAssembly: that would be compiled in each hook, which takes longer than
 * hashing these few kilobytes.
 */
export function sealJson(value: object): string {
  const text = JSON.stringify({ seal: 'sha256', ...value }, null, 2);
  const body = text.slice(0, -'\n}'.length);
  return `${body}${tailOf(sha256Hex(body))}`;
}

/** What is wrong with the seal of a file; `null` when it fits, and for files of older versions, which have none. */
export function findSealDamage(bytes: Uint8Array): string | null {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const isMarked = text.toString('latin1', 0, HEAD.length) === HEAD;
  const sum = TAIL.exec(text.toString('latin1', Math.max(0, text.length - TAIL_BYTES)))?.[1];
  if (!isMarked && sum === undefined) return null;
  if (sum === undefined) return 'its checksum is damaged or missing';
  return sha256Hex(text.subarray(0, text.length - TAIL_BYTES)) === sum
    ? null
    : 'it was changed: its checksum is another one';
}

/**
 * The value of a JSON file, sealed or of an older version.
 * @throws Error when it is no JSON, or not as it was sealed
 */
export function parseSealed(bytes: Uint8Array): unknown {
  const damage = findSealDamage(bytes);
  if (damage !== null) throw new Error(damage);
  const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  if (typeof value !== 'object' || value === null || !('seal' in value)) return value;
  const content: Record<string, unknown> = { ...value };
  delete content.seal;
  delete content.sha256;
  return content;
}

/** `writeJsonDurably`, sealed. */
export const writeSealedDurably = (path: string, value: object): Promise<void> =>
  writeFileDurably(path, sealJson(value));

/** `writeJsonAtomically`, sealed. */
export const writeSealedAtomically = (path: string, value: object): Promise<void> =>
  writeFileAtomically(path, sealJson(value));
