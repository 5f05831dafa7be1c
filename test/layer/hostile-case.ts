import type { Buffer } from 'node:buffer';

/** An archive that nobody's tar writes, and what has to become of it: refused for such a reason, or read by all alike. */
export interface HostileCase {
  readonly name: string;
  readonly bytes: Buffer;
  /** What the reason has in it; `null` for what is harmless. */
  readonly refused: RegExp | null;
}

export const refused = (name: string, bytes: Buffer, reason: RegExp): HostileCase => ({
  name,
  bytes,
  refused: reason,
});

export const harmless = (name: string, bytes: Buffer): HostileCase => ({ name, bytes, refused: null });
