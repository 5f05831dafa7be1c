import type { LayerMember } from '../../lib/layer/whiteout.js';
import { archive, member, pax } from './tar-bytes.js';

/** A layer of an attacker: an archive, and what its listing says of it. */
export interface HostileLayer {
  readonly bytes: Buffer;
  readonly members: readonly LayerMember[];
  readonly diffSize?: number;
  /** In place of the listing of {@link members}. */
  readonly listing?: Buffer;
}

export const entry = (path: string, meta: string, more: Partial<LayerMember> = {}): LayerMember => ({
  path,
  type: meta[0] as LayerMember['type'],
  meta,
  target: '',
  xattrs: '',
  ...more,
});
export const ROOT = entry('', 'd 755 0 0 0 0.000000000');
export const file = (path: string, size = 0) => entry(path, `f 644 0 0 ${size} 0.000000000`);
export const directory = (path: string) => entry(path, 'd 755 0 0 0 0.000000000');
export const symlink = (path: string, target: string) => entry(path, 'l 777 0 0 0 0.000000000', { target });
export const hardLink = (path: string, target: string) =>
  entry(path, 'f 777 0 0 0 0.000000000', { type: 'h', target });

export const root = member({ name: './', type: '5', mode: '0000755\0' });
/** A layer whose listing says, beside the root, what the attacker would like. */
export const layer = (
  parts: readonly Buffer[],
  members: readonly LayerMember[],
  more = {},
): HostileLayer => ({
  bytes: archive(root, ...parts),
  members: [ROOT, ...members],
  ...more,
});
export const link = (name: string, linkName: string, type = '2') =>
  member({ name, linkName, type, mode: '0000777\0' });
export const sparse = (name: string, size: number) =>
  Buffer.concat([
    pax([
      ['GNU.sparse.major', '1'],
      ['GNU.sparse.minor', '0'],
      ['GNU.sparse.name', name],
      ['GNU.sparse.realsize', String(size)],
    ]),
    member({ name }, Buffer.from(`1\n${size}\n0\n`.padEnd(512, '\0'))),
  ]);
